"""The client's streams: lost connections, gaps and wrong checksums, on a scripted server and on a
real exchange."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from exchange_driver import Exchange
from stream_driver import SYMBOL, Connect, checksum, order, quoted
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from api import client as puhui
from api.client import calls
from api.client.book import Book
from api.client.subscriptions import Push, Subscription

AT_ONCE = puhui.Retries(first_pause_seconds=0.0)


def book_push(
    sequence: int, previous: int | None, bids: list[Any], asks: list[Any], crc: int | None = None
) -> Push:
    """A message of the book; its checksum is right for a snapshot, or as given."""
    data = {"bids": bids, "asks": asks}
    return {
        "channel": "book",
        "symbol": SYMBOL,
        "type": "snapshot" if previous is None else "delta",
        "sequence": sequence,
        "previous_sequence": previous,
        "data": data | {"checksum": checksum(data) if crc is None else crc},
    }


BID, ASK = ["49.90", "10", 1], ["50.10", "5", 2]
SNAPSHOT = book_push(5, None, [BID], [ASK])
# The ask is gone, a better bid is there.
BETTER = ["49.95", "1", 1]
AFTER = checksum({"bids": [BETTER, BID], "asks": []})


def test_a_book_follows_its_messages() -> None:
    """Levels come, change and go; best first on both sides."""
    book = Book(SYMBOL)
    assert book.apply(SNAPSHOT)
    assert book.apply(book_push(6, 5, [BETTER], [["50.10", "0", 0]], AFTER))
    assert [str(level.price) for level in book.bids.levels()] == ["49.95", "49.90"]
    assert (book.asks.best, book.sequence, book.is_current) == (None, 6, True)


def test_a_missed_message_asks_for_a_snapshot() -> None:
    """Until it comes the book is not current, and what does not fit is left out."""
    heard: list[Push] = []
    followed = Subscription("book", SYMBOL, heard.append, None)
    assert followed.book is not None
    assert followed.take(SNAPSHOT)
    assert not followed.take(book_push(8, 7, [], [["50.10", "0", 0]], 1))
    assert not followed.book.is_current
    assert followed.take(book_push(9, 8, [], [], 1))
    again = book_push(9, None, [BETTER], [])
    assert followed.take(again)
    assert followed.book.is_current
    assert heard == [SNAPSHOT, again]


def test_a_wrong_checksum_asks_for_a_snapshot() -> None:
    """A change that does not lead to the exchange's book is not handed on."""
    heard: list[Push] = []
    followed = Subscription("book", SYMBOL, heard.append, None)
    assert followed.take(SNAPSHOT)
    assert not followed.take(book_push(6, 5, [BETTER], [], AFTER))
    assert followed.book is not None
    assert not followed.book.is_current
    assert heard == [SNAPSHOT]
    with pytest.raises(RuntimeError, match="checksum"):
        followed.take(book_push(7, None, [BID], [], 1))


def fill(sequence: int, trade_id: str) -> Push:
    data = {"trade_id": trade_id, "order_id": "1"}
    return {
        "channel": "fills",
        "symbol": SYMBOL,
        "type": "event",
        "sequence": sequence,
        "previous_sequence": 0,
        "data": data,
    }


def test_a_replay_repeats_nothing() -> None:
    """It begins with the latest sequence, whose other fills may have been missed."""
    heard: list[Push] = []
    followed = Subscription("fills", None, heard.append, None)
    followed.begin(10)
    assert followed.wanted()["replay_from"] == 11
    for push in (fill(12, "1"), fill(12, "2")):
        followed.take(push)
    followed.disconnect()
    assert followed.wanted()["replay_from"] == 12
    for push in (fill(12, "1"), fill(12, "2"), fill(12, "3"), fill(13, "4")):
        followed.take(push)
    assert [push["data"]["trade_id"] for push in heard] == ["1", "2", "3", "4"]


class ScriptedServer:
    """Answers every request with a result, keeps what was asked, and sends what a test wants."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.connections: asyncio.Queue[ServerConnection] = asyncio.Queue()
        self.answers: dict[str, Any] = {}
        self.url = ""

    async def handle(self, connection: ServerConnection) -> None:
        self.connections.put_nowait(connection)
        try:
            while True:
                request = json.loads(await connection.recv())
                self.asked.put_nowait((request["op"], request["params"]))
                if request["op"] != "order.place":
                    answer = self.answers.get(request["op"], {"result": {"sequence": 40}})
                    await connection.send(json.dumps({"id": request.get("id"), **answer}))
        except ConnectionClosed:
            return

    async def expect(self, op: str) -> dict[str, Any]:
        """The parameters of the next request, which is this one."""
        name, params = await self.asked.get()
        assert name == op
        return params


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    scripted = ScriptedServer()
    async with serve(scripted.handle, "127.0.0.1", 0) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        scripted.url = f"http://127.0.0.1:{port}"
        yield scripted


async def test_a_lost_connection_is_made_again(server: ScriptedServer) -> None:
    """With the login, the setting and the channels of before, the private ones from their place."""
    fills: asyncio.Queue[Push] = asyncio.Queue()
    connected: list[None] = []
    async with puhui.Stream(
        server.url,
        puhui.Token("secret"),
        retries=AT_ONCE,
        on_connected=lambda: connected.append(None),
    ) as stream:
        first = await server.connections.get()
        assert await server.expect("login") == {"token": "secret"}
        await stream.cancel_on_disconnect(True)
        await stream.subscribe("fills", handler=fills.put_nowait)
        book = await stream.follow_book(SYMBOL)
        for _ in range(3):
            await server.asked.get()
        await first.send(json.dumps(SNAPSHOT))
        await first.send(json.dumps(fill(44, "1")))
        await fills.get()
        assert book.is_current
        under_way = asyncio.create_task(stream.place_order(**order("lost")))
        await server.expect("order.place")
        await first.close()
        with pytest.raises(puhui.Problem) as lost:
            await under_way
        assert lost.value.code == "execution_unknown"
        second = await server.connections.get()
        await server.expect("login")
        assert await server.expect("cancel_on_disconnect") == {"enabled": True}
        wanted = (await server.expect("subscribe"))["channels"]
        assert {"name": "fills", "replay_from": 44} in wanted
        assert {"name": "book", "symbol": SYMBOL} in wanted
        assert not book.is_current
        await second.send(json.dumps(fill(44, "1")))
        await second.send(json.dumps(fill(45, "2")))
        assert (await fills.get())["data"]["trade_id"] == "2"
        assert fills.empty()
        assert len(connected) == 2


async def test_a_gap_is_mended_by_a_resync(server: ScriptedServer) -> None:
    """The request goes out by itself, and the book is current again with the snapshot."""
    heard: asyncio.Queue[Push] = asyncio.Queue()
    async with puhui.Stream(server.url) as stream:
        connection = await server.connections.get()
        book = await stream.follow_book(SYMBOL, heard.put_nowait)
        await server.expect("subscribe")
        await connection.send(json.dumps(SNAPSHOT))
        await connection.send(json.dumps(book_push(9, 8, [BETTER], [], 1)))
        wanted = await server.expect("resync")
        assert wanted == {"channels": [{"name": "book", "symbol": SYMBOL}]}
        await connection.send(json.dumps(book_push(9, None, [BETTER, BID], [])))
        assert [(await heard.get())["sequence"] for _ in range(2)] == [5, 9]
        assert book.is_current


async def test_a_refused_login_ends_the_stream(server: ScriptedServer) -> None:
    """Asking again with the same credentials would not help."""
    error = {"code": "unauthenticated", "status": 401, "detail": "No."}
    server.answers["login"] = {"error": error}
    with pytest.raises(puhui.Problem) as refused:
        async with puhui.Stream(server.url, puhui.Token("stolen")):
            pass
    assert refused.value.code == "unauthenticated"


async def test_a_failing_handler_ends_the_stream(server: ScriptedServer) -> None:
    """Its exception is not swallowed: whoever waits or asks is told."""

    def fail(_: Push) -> None:
        raise ValueError("handler")

    async with puhui.Stream(server.url) as stream:
        connection = await server.connections.get()
        await stream.subscribe("ticker", SYMBOL, handler=fail)
        await connection.send(json.dumps(SNAPSHOT | {"channel": "ticker"}))
        with pytest.raises(ValueError, match="handler"):
            await stream.wait_closed()
        with pytest.raises(ValueError, match="handler"):
            await stream.ask("ping")


async def test_nobody_answers() -> None:
    """A stream without a server says so after a while, and that nothing was done."""
    stream = puhui.Stream("http://127.0.0.1:9", answer_seconds=0.05)
    with pytest.raises(puhui.Problem) as missing:
        async with stream:
            pass
    assert missing.value.code == "service_unavailable"


# --- Against a real exchange ---

Streams = Callable[..., Any]


@pytest.fixture
async def streams(exchange: Exchange, stream: Connect) -> Streams:
    """Streams of the client to the exchange, as a user if one is named."""
    async with stream() as connected:
        port = connected.websocket.remote_address[1]

    @asynccontextmanager
    async def opened(user: str | None = None, **options: Any) -> AsyncIterator[puhui.Stream]:
        credentials = None
        if user is not None:
            authorization = exchange.client(user).headers["Authorization"]
            credentials = puhui.Token(authorization.removeprefix("Bearer "))
        url = f"http://127.0.0.1:{port}"
        async with puhui.Stream(url, credentials, retries=AT_ONCE, **options) as client:
            yield client

    return opened


async def test_orders_and_books_of_an_exchange(exchange: Exchange, streams: Streams) -> None:
    """A maker quotes and a buyer trades; both see what becomes of it, and the book checks out."""
    fills: asyncio.Queue[Push] = asyncio.Queue()
    books: asyncio.Queue[Push] = asyncio.Queue()
    async with streams("maker") as maker, streams("enterprise") as buyer:
        book = await buyer.follow_book(SYMBOL, books.put_nowait)
        await maker.subscribe("fills", handler=fills.put_nowait)
        quotes = [
            calls.quote_body(SYMBOL, ("49.00", 100), (Decimal("51.00"), "100")),
            calls.quote_body(SYMBOL, ("49.001", 100), None),
        ]
        standing, refused = await maker.set_quotes(quotes)
        assert standing.bid.price == Decimal("49.00")
        assert refused.code == "price_off_tick"
        wanted = {"symbol": SYMBOL, "side": "buy"}
        bought = await buyer.place_order(**wanted, price="51.00", quantity=30)
        assert bought.status == "filled"
        assert (await fills.get())["data"]["trade_id"] == bought.fills[0].trade_id
        resting = await buyer.place_order(**wanted, price="48.00", quantity=5)
        amended = await buyer.amend_order(order_id=resting.order_id, quantity=4)
        assert amended.remaining_quantity == 4
        while book.sequence < amended.sequence:
            await books.get()
        assert [str(level.price) for level in book.bids.levels()] == ["49.00", "48.00"]
        assert book.asks.best == (Decimal("51.00"), Decimal(70), 1)
        assert (await buyer.cancel_order(order_id=resting.order_id)).status == "cancelled"
        assert await buyer.cancel_orders() == 0
        await buyer.unsubscribe("book", SYMBOL)


async def test_fills_over_a_lost_connection(exchange: Exchange, streams: Streams) -> None:
    """What traded while the maker was away is replayed, and nothing comes twice."""
    await quoted(exchange)
    fills: asyncio.Queue[Push] = asyncio.Queue()
    connected: asyncio.Queue[None] = asyncio.Queue()
    buyer = exchange.client("enterprise")

    async def buy(name: str) -> None:
        body = order(name, price="51.00", quantity="1")
        assert (await buyer.post("/v1/orders", json=body)).status_code == 201

    async with streams("maker", on_connected=lambda: connected.put_nowait(None)) as maker:
        await connected.get()
        await maker.subscribe("fills", handler=fills.put_nowait)
        await buy("first")
        seen = [(await fills.get())["data"]["trade_id"]]
        away = maker._websocket
        assert away is not None
        await buy("second")
        away.transport.abort()
        await buy("third")
        await connected.get()
        await buy("fourth")
        seen += [(await fills.get())["data"]["trade_id"] for _ in range(3)]
        assert fills.empty()
    assert len(set(seen)) == 4
    assert seen == sorted(seen, key=int)
