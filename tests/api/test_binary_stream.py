"""The binary stream, end to end: a real server on a port, a real core behind it."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import numpy as np
import pytest
from binary_driver import (
    BinaryClient,
    admin,
    binary,
    new_order,
    orders,
    set_quote,
    trades,
)
from exchange_driver import Exchange
from stream_driver import SYMBOL, Connect, quoted
from websockets.exceptions import ConnectionClosed

from api.binary_records import BOOK_RECORD, BookFlag, StreamKind, decode_levels
from api.commands import order_command
from engine.codes import Code, CommandKind, EventKind, OrderFlag, Side, Target
from engine.decimals import format_price
from engine.packed_texts import pack_client_id

shared_loop = pytest.mark.asyncio(loop_scope="module")
CANCEL_ON_DISCONNECT = int(OrderFlag.CANCEL_ON_DISCONNECT)


async def test_a_frame_is_answered_record_for_record(exchange: Exchange, stream: Connect) -> None:
    """Every command's first event carries the client's request id, in the order of the frame."""
    async with binary(stream, "maker") as connected:
        client = BinaryClient(connected)
        ids = [7, 2**62, 7, -5]
        prices = [(4_900, 5_100), (4_901, 5_099), (4_902, 4_901), (4_903, 5_097)]
        await client.send(*(set_quote(i, *pair) for i, pair in zip(ids, prices, strict=True)))
        found = await client.replies(4)
    replies = found[found["request_id"] != 0]
    assert replies["request_id"].tolist() == ids
    assert replies["code"].tolist() == [0, 0, Code.INVALID_REQUEST, 0]
    assert (np.diff(found["sequence"]) >= 0).all()
    assert (found["gateway"] == 0).all()
    is_amended = found["kind"] == EventKind.ORDER_AMENDED
    assert orders(found)["price_ticks"][is_amended].tolist() == [4_901, 5_099, 4_903, 5_097]


async def test_all_kinds_of_orders(exchange: Exchange, stream: Connect) -> None:
    """An order is entered, amended, replaced, cancelled by its id and by the client's own."""
    high, low, _ = pack_client_id("mine")
    name = {"target": Target.CLIENT_ORDER_ID, "client_id_high": high, "client_id_low": low}
    async with binary(stream, "enterprise") as connected:
        client = BinaryClient(connected)
        await client.send(
            new_order(1, 4_900, client_id_high=high, client_id_low=low),
            order_command(CommandKind.AMEND_ORDER, request_id=2, price_ticks=4_900,
                          quantity_lots=8, **name),
            order_command(CommandKind.REPLACE_ORDER, request_id=3, price_ticks=4_901,
                          quantity_lots=9, **name),
            order_command(CommandKind.CANCEL_ORDER, request_id=4, **name),
            new_order(5, 4_900), new_order(6, 4_900),
            order_command(CommandKind.CANCEL_ALL, request_id=7, side=Side.ANY),
        )  # fmt: skip
        found = await client.replies(7)
        kinds = found["kind"][found["request_id"] != 0].tolist()
        assert kinds == [
            EventKind.ORDER_ACCEPTED, EventKind.ORDER_AMENDED, EventKind.ORDER_AMENDED,
            EventKind.ORDER_CANCELLED, EventKind.ORDER_ACCEPTED, EventKind.ORDER_ACCEPTED,
            EventKind.ORDERS_CANCELLED,
        ]  # fmt: skip
        assert admin(found)["quantity_lots"][found["request_id"] == 7].tolist() == [2]
    answer = await exchange.client("enterprise").get("/v1/orders/client:mine")
    assert answer.json()["status"] == "cancelled"


async def test_fills_do_not_say_with_whom(exchange: Exchange, stream: Connect) -> None:
    """Both sides of a trade see it, each his own side only, and passive ones without a reply."""
    async with binary(stream, "maker") as one, binary(stream, "enterprise") as other:
        maker, taker = BinaryClient(one), BinaryClient(other)
        await maker.send(set_quote(1, 4_900, 5_100))
        await maker.replies(1)
        await taker.send(new_order(9, 5_100))
        bought = trades(await taker.replies(1))
        sold = trades(await maker.until(EventKind.TRADE))
    assert bought["trade_id"].tolist() == sold["trade_id"].tolist()
    mine = ("order_id", "account", "remaining_lots", "fee_fen", "purpose")
    for seen, own, others in ((bought, "taker", "maker"), (sold, "maker", "taker")):
        assert seen[f"{own}_account"][0] != 0
        assert seen[f"{own}_order_id"][0] != 0
        assert all(seen[f"{others}_{name}"][0] == 0 for name in mine)
    assert sold["request_id"].tolist() == [0]


async def test_an_account_sees_only_its_own(exchange: Exchange, stream: Connect) -> None:
    """Orders and refusals of others never come, and a second connection gets no request ids."""
    async with (
        binary(stream, "maker") as one,
        binary(stream, "enterprise") as two,
        binary(stream, "enterprise") as three,
    ):
        maker, enterprise, second = BinaryClient(one), BinaryClient(two), BinaryClient(three)
        await maker.send(set_quote(1, 4_900, 5_100), set_quote(2, 5_100, 4_900))
        await maker.replies(2)
        await enterprise.send(new_order(3, 4_800), new_order(4, 10**6))
        first_frame = await enterprise.replies(2)
        seen = await second.until(EventKind.COMMAND_REFUSED)
    assert first_frame["kind"].tolist() == [EventKind.ORDER_ACCEPTED, EventKind.COMMAND_REFUSED]
    assert orders(first_frame)["account"][0] == admin(first_frame)["account"][1]
    assert seen["request_id"].tolist() == [0, 0]
    assert seen["sequence"].tolist() == first_frame["sequence"].tolist()


@pytest.mark.parametrize(("flags", "open_orders"), [(CANCEL_ON_DISCONNECT, 0), (0, 2)])
async def test_cancel_on_disconnect(
    exchange: Exchange, stream: Connect, flags: int, open_orders: int
) -> None:
    """The flag of each quote says whether it goes when its connection does."""
    ended = asyncio.Event()
    async with binary(stream, "maker") as watching:
        observer = BinaryClient(watching)
        async with binary(stream, "maker") as connected:
            client = BinaryClient(connected)
            await client.send(set_quote(1, 4_900, 5_100, flags=flags))
            await client.replies(1)
            session = next(iter(exchange.gateway.account_events._listeners.values()))[1]
            disconnect = exchange.gateway.account_events.disconnect

            def noticed(listener: Any) -> None:
                disconnect(listener)
                if listener is session:
                    ended.set()

            exchange.gateway.account_events.disconnect = noticed  # type: ignore[method-assign]
        if flags:
            await observer.until(EventKind.ORDER_CANCELLED, 2)
        await ended.wait()
    answer = await exchange.client("maker").get("/v1/orders?status=open")
    assert len(answer.json()["items"]) == open_orders


async def test_a_client_that_does_not_read_is_closed(
    exchange: Exchange, stream: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for one client is bounded: beyond it the connection ends with a reason."""
    monkeypatch.setattr("api.streams.PRIVATE_BYTES_KEPT", 64 * 1024)
    monkeypatch.setattr("api.streams._CLOSE_SECONDS", 0.0)
    async with binary(stream, "maker", max_queue=1) as connected:
        client = BinaryClient(connected)
        await client.send(set_quote(1, 4_900, 5_100, flags=CANCEL_ON_DISCONNECT))
        await client.replies(1)
        subscriber = next(iter(exchange.gateway.streams._subscribers))
        listener = next(iter(exchange.gateway.account_events._listeners.values()))[0]
        listener.add_past([np.zeros(1_000, BOOK_RECORD)])
        assert subscriber.outbox.closing.is_set()
        with pytest.raises(ConnectionClosed) as closed:
            await client.until(StreamKind.COMMAND_UNKNOWN)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4008, "slow_consumer")


async def test_frames_wait_when_too_many_are_under_way(
    exchange: Exchange, stream: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that sends faster than the core answers is not read from meanwhile."""
    monkeypatch.setattr("api.binary_stream.MAX_UNANSWERED", 2)
    sent: list[int] = []
    original = exchange.gateway.core.send

    def counted(commands: Any, replied: Any, failed: Any) -> None:
        sent.append(sum(unanswered))
        unanswered.append(len(commands))

        def answered(sequences: np.ndarray) -> None:
            unanswered.append(-len(sequences))
            replied(sequences)

        original(commands, answered, failed)

    unanswered: list[int] = []
    monkeypatch.setattr(exchange.gateway.core, "send", counted)
    async with binary(stream, "maker") as connected:
        client = BinaryClient(connected)
        for number in range(1, 21):
            await client.send(set_quote(number, 4_900, 5_100 + number % 2))
        found = await client.replies(20)
    replies = found["request_id"][found["request_id"] != 0]
    assert replies.tolist() == list(range(1, 21))
    assert max(sent) < 2


async def test_what_was_missed_is_replayed(exchange: Exchange, stream: Connect) -> None:
    """After a reconnection the same events come again, to the last byte but the request ids."""
    async with binary(stream, "maker") as connected:
        client = BinaryClient(connected)
        await client.send(*(set_quote(n, 4_900 + n, 5_100) for n in range(1, 6)))
        live = (await client.replies(5)).copy()
    async with binary(stream, "enterprise") as connected:
        other = BinaryClient(connected)
        await other.send(new_order(1, 5_100))
        await other.replies(1)
    live["request_id"] = 0
    async with binary(stream, "maker") as connected:
        client = BinaryClient(connected)
        first = int(live["sequence"][2])
        answer, past = await client.ask("replay", from_sequence=first)
        assert answer["result"]["complete"]
        assert answer["result"]["through_sequence"] == exchange.gateway.live_orders.sequence
        known = live[live["sequence"] >= first]
        assert past[: len(known)].tobytes() == known.tobytes()
        (fill,) = trades(past)
        assert (fill["taker_account"], fill["maker_remaining_lots"]) == (0, 0)
        answer, past = await client.ask("replay", from_sequence=2**40)
        assert (answer["result"]["complete"], len(past)) == (True, 0)


async def test_a_long_past_comes_in_pages(
    exchange: Exchange, stream: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer says how far it went, and the next page begins there."""
    monkeypatch.setattr("api.binary_replay.MAX_REPLAYED_RECORDS", 4)
    async with binary(stream, "maker") as connected:
        client = BinaryClient(connected)
        seen = []
        for number in range(1, 8):
            await client.send(set_quote(number, 4_900 + number, 5_100))
            seen.append(await client.replies(1))
        live = np.concatenate(seen)
        following, pages = int(live["sequence"][0]), []
        while True:
            answer, past = await client.ask("replay", from_sequence=following)
            pages.append(past)
            if answer["result"]["complete"]:
                break
            following = answer["result"]["through_sequence"] + 1
    assert len(pages) > 2
    assert np.concatenate(pages)["sequence"].tolist() == live["sequence"].tolist()


@shared_loop
async def test_only_binary_connections_replay_events(shared_stream: Connect) -> None:
    """On a JSON connection the operation is refused: its channels replay by themselves."""
    async with shared_stream("maker") as client:
        answer = await client.ask("replay", from_sequence=1)
    assert answer["error"]["code"] == "invalid_request"


def _apply(book: tuple[dict[int, list[int]], ...], message: Any) -> None:
    """What a client does with a book message."""
    if message["flags"][0] & BookFlag.SNAPSHOT:
        for side in book:
            side.clear()
    for side, levels in zip(book, decode_levels(message), strict=True):
        for price_ticks, quantity_lots, count in levels:
            side.pop(price_ticks, None)
            if quantity_lots:
                side[price_ticks] = [quantity_lots, count]


def _checksum(book: tuple[dict[int, list[int]], ...]) -> int:
    levels = [
        f"{format_price(price_ticks, 1)}:{side[price_ticks][0]}"
        for side, is_reversed in zip(book, (True, False), strict=True)
        for price_ticks in sorted(side, reverse=is_reversed)[:10]
    ]
    return zlib.crc32("|".join(levels).encode())


async def test_the_book_in_binary(exchange: Exchange, stream: Connect) -> None:
    """A snapshot, then a gapless chain of changes that checks out; trades; tickers are texts."""
    await quoted(exchange)
    maker, buyer = exchange.client("maker"), exchange.client("enterprise")
    names = ({"name": name, "symbol": SYMBOL} for name in ("book", "trades"))
    async with binary(stream) as connected:
        client = BinaryClient(connected)
        _, found = await client.ask("subscribe", channels=list(names))
        while len(found) < 3:
            found = np.concatenate([found, await client.receive()])
        book: tuple[dict[int, list[int]], ...] = ({}, {})
        message, trade = found[:2].view(BOOK_RECORD), found[2:]
        _apply(book, message)
        assert trade["kind"].tolist() == [StreamKind.MARKET_TRADE]
        sequence = int(message["sequence"][0])
        for number in range(8):
            body = {"client_order_id": f"o{number}", "symbol": SYMBOL, "side": "buy"}
            price = {"price": f"48.{number}0", "quantity": "3", "type": "limit"}
            await buyer.post("/v1/orders", json=body | price)
        body = {"client_order_id": "t", "symbol": SYMBOL, "side": "buy", "type": "market"}
        await buyer.post("/v1/orders", json=body | {"quantity": "30"})
        await maker.delete("/v1/orders")
        for _ in range(10):
            records = await client.until(StreamKind.BOOK)
            message = records[records["kind"] == StreamKind.BOOK].view(BOOK_RECORD)
            assert message["previous_sequence"].tolist() == [sequence] * len(message)
            sequence = int(message["sequence"][0])
            _apply(book, message)
            assert _checksum(book) == message["checksum"][-1]
        assert len(book[0]) == 8
        assert not book[1]
        await client.ask("resync", channels=[{"name": "book", "symbol": SYMBOL}])
        snapshot = (await client.until(StreamKind.BOOK)).view(BOOK_RECORD)
        assert snapshot["levels"].tolist() == [5, 3]
        assert snapshot["flags"].tolist() == [BookFlag.SNAPSHOT, BookFlag.SNAPSHOT | BookFlag.LAST]
