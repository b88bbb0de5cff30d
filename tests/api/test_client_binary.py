"""The client's binary stream: commands as columns, and the server's answers to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from exchange_driver import Exchange
from stream_driver import SYMBOL, Connect, order, quoted

from api import client as puhui
from api.binary_records import (
    BOOK_RECORD,
    CHANNELS,
    MARKET_TRADE_RECORD,
    StreamCode,
    StreamKind,
)
from api.client import binary, market_records
from api.client.binary import Records
from api.client.subscriptions import Push
from engine.codes import Code, CommandKind, EventKind, OrderFlag, Side
from engine.packed_texts import unpack_client_id
from engine.records import ADMIN_EVENT, ORDER_COMMAND, ORDER_EVENT, QUOTE_COMMAND, TRADE_EVENT

NAMES = ["short", "c0ffee00-0000-4000-8000-000000000001"]


def test_columns_become_records() -> None:
    """One row of each column makes one command; single values stand for all rows."""
    quotes = binary.quotes(1, [4_990, 4_980], 10, [5_010, 5_020], [10, 0]).view(QUOTE_COMMAND)
    assert quotes["kind"].tolist() == [CommandKind.SET_QUOTE] * 2
    assert quotes["bid_price_ticks"].tolist() == [4_990, 4_980]
    assert quotes["ask_quantity_lots"].tolist() == [10, 0]
    assert quotes["flags"].tolist() == [OrderFlag.CANCEL_ON_DISCONNECT] * 2
    orders = binary.orders(1, Side.SELL, [5_000, 5_001], 3, NAMES).view(ORDER_COMMAND)
    ids = zip(orders["client_id_high"], orders["client_id_low"], orders["flags"], strict=True)
    found = [unpack_client_id(int(high), int(low), bool(flags)) for high, low, flags in ids]
    assert found == NAMES
    assert orders["side"].tolist() == [Side.SELL] * 2


Binary = Callable[..., Any]


@pytest.fixture
async def opened(exchange: Exchange, stream: Connect) -> Binary:
    """Opens binary streams of the client, as the maker."""
    async with stream() as connected:
        url = f"http://127.0.0.1:{connected.websocket.remote_address[1]}"
    token = exchange.client("maker").headers["Authorization"].removeprefix("Bearer ")

    @asynccontextmanager
    async def open_one(
        kind: type[puhui.Stream] = puhui.BinaryStream, **options: Any
    ) -> AsyncIterator[puhui.Stream]:
        retries = puhui.Retries(first_pause_seconds=0.0)
        async with kind(url, puhui.Token(token), retries=retries, **options) as client:
            yield client

    return open_one


async def test_many_quotes_in_one_frame(opened: Binary) -> None:
    """Each is answered in its place, also the one that is refused."""
    async with opened() as maker:
        wanted = binary.quotes([1, 2, 99], 4_990, 10, 5_010, 10)
        replies: Records = await maker.submit(wanted)
        kinds = [EventKind.QUOTE_SET, EventKind.QUOTE_SET, EventKind.COMMAND_REFUSED]
        assert replies["kind"].tolist() == kinds
        assert replies["code"].tolist() == [0, 0, Code.UNKNOWN_INSTRUMENT]
        assert (replies.view(ADMIN_EVENT)["bid_order_id"] != 0).tolist() == [True, True, False]
        first, second = await asyncio.gather(
            maker.submit(binary.orders(1, Side.BUY, [4_900, 4_901], 5, NAMES)),
            maker.submit(binary.quotes([1] * 256, np.arange(4_700, 4_956), 10, 5_020, 10)),
        )
        assert first["kind"].tolist() == [EventKind.ORDER_ACCEPTED] * 2
        assert second["kind"].tolist() == [EventKind.QUOTE_SET] * 256
        gone = await maker.submit(binary.cancels(1, first.view(ORDER_EVENT)["order_id"]))
        assert gone["kind"].tolist() == [EventKind.ORDER_CANCELLED] * 2


async def test_trades_over_a_lost_connection(exchange: Exchange, opened: Binary) -> None:
    """What happened while the maker was away comes first at the next connection, and once."""
    frames: asyncio.Queue[Records] = asyncio.Queue()
    connected: asyncio.Queue[None] = asyncio.Queue()
    buyer = exchange.client("enterprise")

    async def buy(name: str) -> None:
        body = order(name, price="50.10", quantity="1")
        assert (await buyer.post("/v1/orders", json=body)).json()["status"] == "filled"

    heard = {"on_events": frames.put_nowait, "on_connected": lambda: connected.put_nowait(None)}
    async with opened(**heard) as maker:
        await connected.get()
        standing = binary.quotes(1, 4_990, 100, 5_010, 100, cancel_on_disconnect=False)
        await maker.submit(standing)
        await buy("first")
        away = maker._websocket
        assert away is not None
        await buy("second")
        away.transport.abort()
        await buy("third")
        await connected.get()
        await buy("fourth")
        trades: list[int] = []
        while len(trades) < 4:
            events = await frames.get()
            found = events[events["kind"] == EventKind.TRADE].view(TRADE_EVENT)
            trades += found["trade_id"].tolist()
        assert frames.empty()
    assert trades == sorted(set(trades))


async def test_codes_are_those_of_the_gateway(exchange: Exchange, opened: Binary) -> None:
    """A program can say why a command went no further."""
    assert {code.name: int(code) for code in binary.GatewayCode} == {
        code.name: int(code) for code in StreamCode
    }
    limit = exchange.gateway.settings.orders_per_second
    async with opened() as maker:
        replies = await maker.submit(binary.quotes(np.ones(limit + 1), 4_990, 10, 5_010, 10))
        assert set(replies["code"].tolist()) == {binary.GatewayCode.TOO_MANY_REQUESTS}


async def test_too_much_for_a_frame(opened: Binary) -> None:
    """It is refused before anything is sent."""
    async with opened() as maker:
        with pytest.raises(ValueError, match="1 to"):
            await maker.submit(binary.quotes(np.ones(binary.MAX_COMMANDS + 1), 1, 1, 2, 1))


async def test_replies_alone(exchange: Exchange, opened: Binary) -> None:
    """Without quote events a quote that moves, or is withdrawn, is one record; orders and trades
    still come, live and, after a lost connection, from the past."""
    frames: asyncio.Queue[Records] = asyncio.Queue()
    connected: asyncio.Queue[None] = asyncio.Queue()
    buyer = exchange.client("enterprise")
    heard = {"on_events": frames.put_nowait, "on_connected": lambda: connected.put_nowait(None)}

    async def kinds(count: int) -> list[int]:
        found: list[int] = []
        while len(found) < count:
            found += (await frames.get())["kind"].tolist()
        return found

    async with opened(quote_events=False, **heard) as maker:
        await connected.get()
        for bid_ticks in (4_990, 4_980):
            moved = binary.quotes(1, bid_ticks, 10, 5_010, 10, cancel_on_disconnect=False)
            await maker.submit(moved)
        await maker.submit(binary.orders(1, Side.BUY, 4_900, 5))
        await buyer.post("/v1/orders", json=order("one", price="50.10", quantity="1"))
        live = [EventKind.QUOTE_SET] * 2 + [EventKind.ORDER_ACCEPTED, EventKind.TRADE]
        assert await kinds(4) == live
        maker._websocket.transport.abort()
        await buyer.post("/v1/orders", json=order("two", price="50.10", quantity="1"))
        await connected.get()
        await maker.submit(binary.quotes(1, 0, 0, 0, 0))
        assert await kinds(2) == [EventKind.TRADE, EventKind.QUOTE_SET]


async def test_books_and_trades_in_records(exchange: Exchange, opened: Binary) -> None:
    """A handler is given what a stream of texts gives, and a book holds its checksum."""
    await quoted(exchange)
    buyer = exchange.client("enterprise")
    async with opened() as one, opened(kind=puhui.Stream) as other:
        streams: list[puhui.Stream] = [one, other]
        queues: list[asyncio.Queue[Push]] = [asyncio.Queue(), asyncio.Queue()]
        books = []
        for stream, queue in zip(streams, queues, strict=True):
            books.append(await stream.follow_book(SYMBOL, queue.put_nowait))
            await stream.subscribe("trades", SYMBOL, handler=queue.put_nowait)
        for number in range(7):
            body = order(f"b{number}", price=f"49.{number}0", quantity="3")
            await buyer.post("/v1/orders", json=body)
        await buyer.post("/v1/orders", json=order("t", price="51.00", quantity="5"))
        await buyer.delete("/v1/orders")
        found: list[list[Push]] = [[], []]
        for stream, queue, pushes in zip(streams, queues, found, strict=True):
            # The third snapshot comes behind all that happened before it was asked for.
            await stream.ask("resync", channels=[{"name": "book", "symbol": SYMBOL}])
            while sum(push["type"] == "snapshot" for push in pushes) < 3:
                pushes.append(await queue.get())
        assert all(book.is_current for book in books)
    assert found[0] == found[1]
    assert {push["type"] for push in found[0]} == {"snapshot", "delta", "event"}
    assert books[0].asks.levels() == books[1].asks.levels() != []


def test_layouts_are_those_of_the_server() -> None:
    """The client has them without importing the server."""
    header, book = market_records._HEADER.size, market_records._BOOK.size
    trade, level = market_records._TRADE.size, market_records._LEVEL.size
    assert BOOK_RECORD.fields is not None
    assert MARKET_TRADE_RECORD.fields is not None
    assert BOOK_RECORD.fields["checksum"][1] == header
    assert BOOK_RECORD.fields["quantity_lots_1"][1] == header + book
    assert BOOK_RECORD.fields["quantity_lots_2"][1] == header + book + level
    assert MARKET_TRADE_RECORD.fields["trade_type"][1] == header + trade - 1
    assert {kind.name: int(kind) for kind in market_records.MarketKind} == {
        kind.name: int(kind) for kind in StreamKind if kind != StreamKind.COMMAND_UNKNOWN
    }
    assert market_records.CHANNELS == CHANNELS
