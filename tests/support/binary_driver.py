"""Clients of the binary stream for tests: commands as arrays, what comes back as arrays."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from stream_driver import Connect

from api.binary_records import SUBPROTOCOL
from api.commands import order_command, quote_command
from engine.codes import (
    CommandKind,
    EventKind,
    OrderType,
    Purpose,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from engine.records import ADMIN_EVENT, EVENT, ORDER_EVENT, TRADE_EVENT

Records = np.ndarray[Any, np.dtype[Any]]
INSTRUMENT = 1
REPLIES = (EventKind.ORDER_ACCEPTED, EventKind.COMMAND_REFUSED, EventKind.QUOTE_SET)


class BinaryClient:
    """Keeps records apart from texts, in the order in which they came."""

    def __init__(self, client: Any) -> None:
        self.json = client
        self.frames: list[Records] = []

    async def send(self, *commands: Records) -> None:
        await self.json.websocket.send(np.concatenate(commands).tobytes())

    async def receive(self) -> Records:
        """The next frame of records; texts on the way are left out."""
        while True:
            message = await self.json.websocket.recv()
            if isinstance(message, bytes):
                return np.frombuffer(message, EVENT)

    async def replies(self, count: int) -> Records:
        """Records until so many of them carry a request id."""
        frames = []
        while sum(np.count_nonzero(frame["request_id"]) for frame in frames) < count:
            frames.append(await self.receive())
        return np.concatenate(frames)

    async def until(self, kind: int, count: int = 1) -> Records:
        """Records until so many of a kind have come."""
        frames: list[Records] = []
        while sum(np.count_nonzero(frame["kind"] == kind) for frame in frames) < count:
            frames.append(await self.receive())
        return np.concatenate(frames)

    async def ask(self, op: str, **params: Any) -> tuple[dict[str, Any], Records]:
        """The answer to a text, and the records that came before it."""
        await self.json.send({"op": op, "id": op, "params": params})
        frames = [np.zeros(0, EVENT)]
        while True:
            message = await self.json.websocket.recv()
            if isinstance(message, bytes):
                frames.append(np.frombuffer(message, EVENT))
            elif (answer := json.loads(message)).get("id") == op:
                return answer, np.concatenate(frames)


def binary(connect: Connect, user: str | None = None, **options: Any) -> Any:
    """Connects to the binary stream, as a user if one is named."""
    return connect(user, subprotocols=[SUBPROTOCOL], **options)


def new_order(request_id: int, price_ticks: int, side: int = Side.BUY, **fields: int) -> Records:
    """A limit day order for ten lots, unless `fields` say otherwise."""
    plain = {
        "instrument": INSTRUMENT,
        "quantity_lots": 10,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.DAY,
        "self_trade_prevention": SelfTradePrevention.CANCEL_NEWEST,
        "purpose": Purpose.VOLUNTARY,
    }
    wanted = plain | {"request_id": request_id, "price_ticks": price_ticks, "side": side} | fields
    return order_command(CommandKind.NEW_ORDER, **wanted)


def set_quote(request_id: int, bid_ticks: int, ask_ticks: int, **fields: int) -> Records:
    """A quote of ten lots on both sides, unless `fields` say otherwise."""
    plain = {"instrument": INSTRUMENT, "bid_quantity_lots": 10, "ask_quantity_lots": 10}
    prices = {"bid_price_ticks": bid_ticks, "ask_price_ticks": ask_ticks}
    return quote_command(**(plain | prices | {"request_id": request_id} | fields))


def orders(records: Records) -> Records:
    """All records as ORDER_EVENT."""
    return records.view(ORDER_EVENT)


def trades(records: Records) -> Records:
    """The TRADEs among the records."""
    return records.view(TRADE_EVENT)[records["kind"] == EventKind.TRADE]


def admin(records: Records) -> Records:
    """All records as ADMIN_EVENT."""
    return records.view(ADMIN_EVENT)
