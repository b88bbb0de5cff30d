"""What a binary frame may not ask for, end to end: refused, and nothing has changed."""

from __future__ import annotations

from typing import Any

import pytest
from binary_driver import (
    INSTRUMENT,
    BinaryClient,
    admin,
    binary,
    new_order,
    orders,
    set_quote,
)
from exchange_driver import Exchange
from stream_driver import Connect
from websockets.exceptions import ConnectionClosed

from api.binary_records import StreamCode, StreamKind
from api.commands import admin_command, order_command, quote_command
from api.core_client import CoreUnavailable, ExecutionUnknown
from engine.codes import Code, CommandKind, EventKind, OrderFlag, OrderType, Purpose, Side, Target
from engine.link import MAX_COMMANDS_BYTES
from engine.packed_texts import pack_client_id
from engine.records import RECORD_BYTES

shared_loop = pytest.mark.asyncio(loop_scope="module")
CANCEL_ON_DISCONNECT = int(OrderFlag.CANCEL_ON_DISCONNECT)


def _of_kind(kind: int) -> Any:
    command = new_order(1, 4_900)
    command["kind"] = kind
    return command


MALFORMED = {
    "a deposit": admin_command(CommandKind.DEPOSIT_CASH, request_id=1, amount_fen=100),
    "expire orders": admin_command(CommandKind.EXPIRE_ORDERS, request_id=1),
    "no kind": _of_kind(0),
    "an unknown kind": _of_kind(255),
    "the flag of a quote": new_order(1, 4_900, flags=OrderFlag.QUOTE),
    "the flag of a stop": new_order(1, 4_900, flags=OrderFlag.STOP),
    "an order off the book": new_order(1, 4_900, order_type=3),
    "a match": order_command(CommandKind.MATCH_ORDERS, request_id=1),
    "an unknown flag": new_order(1, 4_900, flags=128),
    "a flag of a cancel": order_command(CommandKind.CANCEL_ALL, request_id=1, side=2, flags=2),
    "another connection": order_command(
        CommandKind.CANCEL_ALL, request_id=1, side=2, filter_session=3
    ),
    "another gateway": order_command(
        CommandKind.CANCEL_ALL, request_id=1, side=2, filter_gateway=3
    ),
    "a client id with a space": new_order(1, 4_900, client_id_high=0x4120420000000000),
    "a client id with a gap": new_order(1, 4_900, client_id_high=0x4100420000000000),
    "a client id of bytes": new_order(1, 4_900, client_id_low=-1),
    "flags of a quote": set_quote(1, 4_900, 5_100, flags=1),
    "filling of a quote": order_command(
        CommandKind.SET_QUOTE, request_id=1, minimum_quantity_lots=1
    ),
}
FORBIDDEN = {
    "another account": new_order(1, 4_900, account=1),
    "no account of anybody": new_order(1, 4_900, account=-1),
    "for compliance": new_order(1, 4_900, purpose=Purpose.COMPLIANCE, scheme=1),
}


@shared_loop
@pytest.mark.parametrize(
    ("command", "code"),
    [(command, StreamCode.MALFORMED) for command in MALFORMED.values()]
    + [(command, StreamCode.FORBIDDEN) for command in FORBIDDEN.values()],
    ids=[*MALFORMED, *FORBIDDEN],
)
async def test_what_no_client_may_send(
    shared_exchange: Exchange, shared_stream: Connect, command: Any, code: StreamCode
) -> None:
    """It is refused before the engine sees it; its neighbours in the frame are not concerned."""
    before = await shared_exchange.state_hash()
    async with binary(shared_stream, "maker") as connected:
        client = BinaryClient(connected)
        cancel = order_command(CommandKind.CANCEL_ORDER, request_id=2, order_id=1 << 24)
        await client.send(cancel, command, cancel)
        found = admin(await client.replies(3))
    codes = dict(zip(found["request_id"].tolist(), found["code"].tolist(), strict=True))
    assert codes == {1: code, 2: Code.ORDER_NOT_FOUND}
    refused = found[found["request_id"] == 1]
    assert (refused["sequence"][0], refused["command_kind"][0]) == (0, command["kind"][0])
    assert await shared_exchange.state_hash() == before


@shared_loop
@pytest.mark.parametrize(
    ("user", "code"),
    [(None, StreamCode.UNAUTHENTICATED), ("enterprise", StreamCode.FORBIDDEN)],
)
async def test_who_may_not_quote(
    shared_exchange: Exchange, shared_stream: Connect, user: str | None, code: StreamCode
) -> None:
    """Before a login nothing goes; quotes and their purpose need the market maker's role."""
    before = await shared_exchange.state_hash()
    async with binary(shared_stream, user) as connected:
        client = BinaryClient(connected)
        stated = new_order(2, 4_900, purpose=Purpose.MARKET_MAKING)
        await client.send(set_quote(1, 4_900, 5_100), stated)
        found = await client.replies(2)
    assert found["code"].tolist() == [code, code]
    assert await shared_exchange.state_hash() == before


@shared_loop
async def test_who_may_only_read(shared_exchange: Exchange, shared_stream: Connect) -> None:
    """An auditor can look on, and cannot trade."""
    async with binary(shared_stream, "auditor") as connected:
        client = BinaryClient(connected)
        await client.send(new_order(1, 4_900))
        assert (await client.replies(1))["code"].tolist() == [StreamCode.FORBIDDEN]


@shared_loop
@pytest.mark.parametrize(
    ("size", "code", "reason"),
    [
        (0, 1003, "no_whole_records"),
        (RECORD_BYTES - 1, 1003, "no_whole_records"),
        (RECORD_BYTES + 1, 1003, "no_whole_records"),
        (MAX_COMMANDS_BYTES + RECORD_BYTES, 1009, "message_too_big"),
    ],
)
async def test_what_is_no_frame_ends_the_connection(
    shared_stream: Connect, size: int, code: int, reason: str
) -> None:
    """Nothing can be answered record for record then."""
    async with binary(shared_stream, "maker") as connected:
        await connected.websocket.send(bytes(size))
        with pytest.raises(ConnectionClosed) as closed:
            await connected.websocket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, reason)


@pytest.mark.parametrize("error", [CoreUnavailable("gone"), ExecutionUnknown("gone")])
async def test_the_core_is_lost(
    exchange: Exchange, stream: Connect, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """What was not sent is refused; what was sent is unknown, and said to be."""
    monkeypatch.setattr(exchange.gateway.core, "send", lambda _, __, failed: failed(error))
    async with binary(stream, "maker") as connected:
        client = BinaryClient(connected)
        await client.send(set_quote(1, 4_900, 5_100), set_quote(2, 4_900, 5_100))
        found = await client.replies(2)
    unsent = isinstance(error, CoreUnavailable)
    kind = EventKind.COMMAND_REFUSED if unsent else StreamKind.COMMAND_UNKNOWN
    code = StreamCode.SERVICE_UNAVAILABLE if unsent else StreamCode.EXECUTION_UNKNOWN
    assert found["kind"].tolist() == [kind, kind]
    assert found["code"].tolist() == [code, code]
    assert found["request_id"].tolist() == [1, 2]


async def test_too_many_orders(exchange: Exchange, stream: Connect) -> None:
    """A frame over the rate has its orders refused together; cancels in it are never limited."""
    limit = exchange.gateway.settings.orders_per_second
    async with binary(stream, "maker") as connected:
        client = BinaryClient(connected)
        withdrawn = quote_command(request_id=3, instrument=INSTRUMENT)
        cancel = order_command(CommandKind.CANCEL_ALL, request_id=2, side=Side.ANY)
        quotes = [set_quote(1, 4_900, 5_100)] * (limit + 1)
        await client.send(*quotes, cancel, withdrawn)
        found = await client.replies(limit + 3)
    codes = {(int(r), int(c)) for r, c in zip(found["request_id"], found["code"], strict=True)}
    assert codes == {(1, StreamCode.TOO_MANY_REQUESTS), (2, 0), (3, 0)}


async def test_an_auction_keeps_its_bids(exchange: Exchange, stream: Connect) -> None:
    """What belongs to an auction is withdrawn there, by whichever name it is called here."""
    high, low, _ = pack_client_id("bid")
    async with binary(stream, "enterprise") as connected:
        client = BinaryClient(connected)
        await client.send(new_order(1, 4_900, client_id_high=high, client_id_low=low))
        order_id = int(orders(await client.replies(1))["order_id"][0])
        view = exchange.gateway.live_orders.get(order_id)
        assert view is not None
        view.order_type = int(OrderType.BID)
        name = {"target": Target.CLIENT_ORDER_ID, "client_id_high": high, "client_id_low": low}
        await client.send(
            order_command(CommandKind.CANCEL_ORDER, request_id=2, order_id=order_id),
            order_command(CommandKind.CANCEL_ORDER, request_id=3, **name),
        )
        assert (await client.replies(2))["code"].tolist() == [StreamCode.FORBIDDEN] * 2
