"""`puhui.binary.v1`: many orders or quotes in one frame, as NumPy arrays of the engine's records.

Commands are built as columns (`quotes`, `orders`, `cancels`), submitted together, and answered by
one reply each. Prices are ticks and quantities lots here; an instrument is named by its number
(`calls.get_instrument`). docs/protocol.md has the layouts and says what each event means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from websockets.exceptions import WebSocketException

from api.client import calls, market_records
from api.client.credentials import Credentials
from api.client.problems import unanswered
from api.client.rest import AsyncExchange
from api.client.results import Instrument
from api.client.stream import Stream
from api.client.subscriptions import Handler, Subscription
from engine.codes import (
    CommandKind,
    OrderFlag,
    OrderType,
    Purpose,
    SelfTradePrevention,
    Target,
    TimeInForce,
)
from engine.packed_texts import pack_client_id
from engine.records import COMMAND, EVENT, ORDER_COMMAND, QUOTE_COMMAND

Records = np.ndarray[Any, np.dtype[Any]]

# One frame holds no more.
MAX_COMMANDS = 4_096


def quotes(
    instruments: ArrayLike,
    bid_price_ticks: ArrayLike,
    bid_quantity_lots: ArrayLike,
    ask_price_ticks: ArrayLike,
    ask_quantity_lots: ArrayLike,
    *,
    cancel_on_disconnect: bool = True,
) -> Records:
    """SET_QUOTE for each row of the columns; a quantity of 0 withdraws that side."""
    columns = {
        "instrument": instruments,
        "bid_price_ticks": bid_price_ticks,
        "bid_quantity_lots": bid_quantity_lots,
        "ask_price_ticks": ask_price_ticks,
        "ask_quantity_lots": ask_quantity_lots,
    }
    flags = OrderFlag.CANCEL_ON_DISCONNECT if cancel_on_disconnect else OrderFlag.NONE
    return _commands(QUOTE_COMMAND, CommandKind.SET_QUOTE, columns | {"flags": int(flags)})


def orders(
    instruments: ArrayLike,
    sides: ArrayLike,
    price_ticks: ArrayLike,
    quantity_lots: ArrayLike,
    client_order_ids: list[str] | None = None,
    **fields: ArrayLike,
) -> Records:
    """NEW_ORDER for each row; limit day orders, unless `fields` of ORDER_COMMAND say otherwise."""
    plain: dict[str, ArrayLike] = {
        "order_type": int(OrderType.LIMIT),
        "time_in_force": int(TimeInForce.DAY),
        "self_trade_prevention": int(SelfTradePrevention.CANCEL_NEWEST),
        "purpose": int(Purpose.VOLUNTARY),
    }
    columns = {
        "instrument": instruments,
        "side": sides,
        "price_ticks": price_ticks,
        "quantity_lots": quantity_lots,
    }
    commands = _commands(ORDER_COMMAND, CommandKind.NEW_ORDER, plain | columns | fields)
    if client_order_ids is not None:
        packed = [pack_client_id(name) for name in client_order_ids]
        layout = commands.view(ORDER_COMMAND)
        layout["client_id_high"] = [high for high, _, _ in packed]
        layout["client_id_low"] = [low for _, low, _ in packed]
        layout["flags"] |= np.array(
            [OrderFlag.CLIENT_ID_IS_UUID if is_uuid else 0 for _, _, is_uuid in packed], np.uint8
        )
    return commands


def cancels(instruments: ArrayLike, order_ids: ArrayLike) -> Records:
    """CANCEL_ORDER for each row, by the exchange's order ids."""
    columns = {"instrument": instruments, "order_id": order_ids}
    columns["target"] = int(Target.ORDER_ID)
    return _commands(ORDER_COMMAND, CommandKind.CANCEL_ORDER, columns)


def _commands(layout: np.dtype[Any], kind: CommandKind, columns: dict[str, ArrayLike]) -> Records:
    rows = max(np.size(column) for column in columns.values())
    commands = np.zeros(rows, layout)
    commands["kind"] = kind
    for name, column in columns.items():
        commands[name] = column
    return commands.view(COMMAND)


class GatewayCode(IntEnum):
    """Codes of replies to what never reached the engine; those of the engine are below."""

    UNAUTHENTICATED = 1000
    FORBIDDEN = 1001
    MALFORMED = 1002
    TOO_MANY_REQUESTS = 1003
    SERVICE_UNAVAILABLE = 1004
    EXECUTION_UNKNOWN = 1005  # sent to the engine, which was lost before its reply


class _Submitted:
    """Commands under way: their replies by place, and who waits for all of them."""

    def __init__(self, first_request_id: int, count: int) -> None:
        self.first = first_request_id
        self.replies = np.zeros(count, EVENT)
        self.missing = count
        self.done: asyncio.Future[Records] = asyncio.get_running_loop().create_future()

    def take(self, records: Records, places: np.ndarray) -> None:
        """Keep those of the records that answer one of these commands."""
        is_mine = (places >= 0) & (places < len(self.replies))
        count = int(np.count_nonzero(is_mine))
        if count:
            self.replies[places[is_mine]] = records[is_mine]
            self.missing -= count
            if not self.missing and not self.done.done():
                self.done.set_result(self.replies)


class BinaryStream(Stream):
    """A stream whose orders and events are records; everything else is as in `Stream`.

    `on_events` is given every frame of the account's events, replies included, as an array of
    EVENT: select by `kind`, then `view` the layout of that kind. After a lost connection what was
    missed is given first. Without `quote_events` a quote's reply is all that comes of it but for
    trades, a third of the records of a quote that moves.
    """

    subprotocol = "puhui.binary.v1"

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        on_events: Callable[[Records], None] | None = None,
        quote_events: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(base_url, credentials, **options)
        self._base_url = base_url
        self._login_options = {"quote_events": quote_events}
        self._on_events = on_events
        # Those whose market data is followed, by number: records name no symbols.
        self._instruments: dict[int, Instrument] = {}
        self._next_request_id = 1
        self._submitted: dict[int, _Submitted] = {}
        # The latest sequence that was handed on; None before the first login.
        self._position: int | None = None
        # While the past is read: what has come meanwhile.
        self._kept: list[Records] | None = None

    async def subscribe(
        self,
        name: str,
        symbol: str | None = None,
        *,
        handler: Handler | None = None,
        replay_from: int | None = None,
    ) -> Subscription:
        """As in `Stream`: books and trades come as records, and handlers are given the same."""
        if name in market_records.CHANNELS and symbol is not None:
            async with AsyncExchange(self._base_url, retries=self._retries) as exchange:
                instrument = await exchange.ask(calls.get_instrument(symbol))
            self._instruments[instrument.number] = instrument
        return await super().subscribe(name, symbol, handler=handler, replay_from=replay_from)

    async def submit(self, commands: Records) -> Records:
        """Send commands in one frame; their replies, in the same order, once all have come.

        A reply is an ORDER_EVENT, or an ADMIN_EVENT for quotes and refusals (`code`). Raises
        Problem (execution_unknown) if the connection is lost before.
        """
        if not 0 < len(commands) <= MAX_COMMANDS:
            raise ValueError(f"1 to {MAX_COMMANDS} commands")
        await self._connected()
        assert self._websocket is not None
        commands = commands.copy()
        under_way = _Submitted(self._next_request_id, len(commands))
        self._next_request_id += len(commands)
        commands["request_id"] = np.arange(under_way.first, self._next_request_id)
        self._submitted[under_way.first] = under_way
        try:
            async with asyncio.timeout(self._answer_seconds):
                await self._websocket.send(commands.tobytes())
                return await under_way.done
        except (TimeoutError, WebSocketException) as error:
            raise unanswered(error) from None
        finally:
            self._submitted.pop(under_way.first, None)

    async def _log_in(self, credentials: Credentials) -> dict[str, Any]:
        """Log in, and bring what happened since the last connection."""
        self._kept = []
        answer = await super()._log_in(credentials)
        sequence = answer["sequence"]
        if self._position is None:
            self._position = sequence
        following = self._position + 1
        while following <= sequence:
            page = await self._request("replay", {"from_sequence": following})
            following = page["through_sequence"] + 1
        kept, self._kept = self._kept, None
        if kept:
            self._hand_on(_in_order(np.concatenate(kept)))
        return answer

    async def _take_records(self, frame: bytes) -> None:
        records: Records = np.frombuffer(frame, EVENT)
        if market_records.is_market_data(records):
            instrument = self._instruments[int(records["instrument"][0])]
            await self._take_push(market_records.read_push(records, instrument))
            return
        request_ids = records["request_id"]
        for under_way in self._submitted.values():
            under_way.take(records, request_ids - under_way.first)
        if self._kept is not None:
            self._kept.append(records)
        else:
            self._hand_on(records)

    def _hand_on(self, records: Records) -> None:
        self._position = max(self._position or 0, int(records["sequence"].max()))
        if self._on_events is not None:
            self._on_events(records)

    def _lose(self) -> None:
        super()._lose()
        for under_way in self._submitted.values():
            if not under_way.done.done():
                under_way.done.set_exception(unanswered("the connection was lost"))


def _in_order(records: Records) -> Records:
    """Live and replayed records by sequence, each once: the past knows no request ids."""
    found: dict[bytes, Records] = {}
    for index in range(len(records)):
        record = records[index : index + 1].copy()
        record["request_id"] = 0
        found.setdefault(record.tobytes(), record)
    events: Records = np.concatenate(list(found.values()))
    return events[np.argsort(events["sequence"], kind="stable")]
