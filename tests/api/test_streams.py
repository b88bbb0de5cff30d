"""The websocket, end to end: a real server on a port, real clients, a real core behind it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import socket
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from exchange_driver import Exchange, running_exchange
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from api.live_orders import Changes
from engine.records import EVENT

SYMBOL = "GD-PHCER"


class StreamClient:
    """A client that keeps pushes apart from answers."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self.pushes: list[dict[str, Any]] = []
        self._last_id = 0

    async def ask(self, op: str, **params: Any) -> dict[str, Any]:
        """The answer to one request."""
        self._last_id += 1
        await self.send({"op": op, "id": self._last_id, "params": params})
        return await self.answer(self._last_id)

    async def send(self, request: object) -> None:
        text = request if isinstance(request, str) else json.dumps(request)
        await self.websocket.send(text)

    async def answer(self, request_id: object) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = json.loads(await self.websocket.recv())
            if "channel" not in message:
                assert message["id"] == request_id
                return message
            self.pushes.append(message)

    async def push(self, channel: str, **wanted: Any) -> dict[str, Any]:
        """The next push of a channel whose data has the members wanted."""
        while True:
            for index, found in enumerate(self.pushes):
                if found["channel"] == channel and wanted.items() <= found["data"].items():
                    return self.pushes.pop(index)
            message = json.loads(await self.websocket.recv())
            assert "channel" in message, message
            self.pushes.append(message)

    async def log_in(self, exchange: Exchange, username: str) -> None:
        token = exchange.client(username).headers["Authorization"].removeprefix("Bearer ")
        answer = await self.ask("login", token=token)
        assert answer["result"]["account"] == username

    async def subscribe(self, *channels: dict[str, Any]) -> dict[str, Any]:
        answer = await self.ask("subscribe", channels=list(channels))
        return answer["result"]


Connect = Callable[..., Any]


@asynccontextmanager
async def served(exchange: Exchange) -> AsyncIterator[Connect]:
    """The exchange on a port of its own; gives what connects to its stream."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        exchange.app,
        ws="websockets-sansio",
        ws_max_size=1 << 20,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    url = f"ws://127.0.0.1:{listener.getsockname()[1]}/v1/stream"

    @asynccontextmanager
    async def connected(user: str | None = None, **options: Any) -> AsyncIterator[StreamClient]:
        async with connect(url, proxy=None, **options) as websocket:
            client = StreamClient(websocket)
            if user is not None:
                await client.log_in(exchange, user)
            yield client

    try:
        yield connected
    finally:
        await server.shutdown(sockets=[listener])


@pytest.fixture
async def stream(exchange: Exchange) -> AsyncIterator[Connect]:
    """Connects to the exchange's stream, as a user if one is named."""
    async with served(exchange) as connected:
        yield connected


# Tests that leave the exchange as it is share one, which saves starting it for each.
shared_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_stream(shared_exchange: Exchange) -> AsyncIterator[Connect]:
    """As `stream`, to the exchange that a module shares."""
    async with served(shared_exchange) as connected:
        yield connected


def order(client_order_id: str, **changes: Any) -> dict[str, Any]:
    plain = {
        "client_order_id": client_order_id,
        "symbol": SYMBOL,
        "side": "buy",
        "type": "limit",
        "price": "50.00",
        "quantity": "10",
    }
    return plain | changes


def quote(symbol: str = SYMBOL, bid: str = "49.00", ask: str = "51.00") -> dict[str, Any]:
    return {
        "symbol": symbol,
        "bid": {"price": bid, "quantity": "100"},
        "ask": {"price": ask, "quantity": "100"},
    }


async def quoted(exchange: Exchange) -> None:
    """The maker's quote, set over REST, which no connection's end takes back."""
    answer = await exchange.client("maker").put("/v1/quotes", json=quote())
    assert answer.status_code == 200


def checksum(data: dict[str, Any]) -> int:
    levels = [*data["bids"][:10], *data["asks"][:10]]
    return zlib.crc32("|".join(f"{price}:{quantity}" for price, quantity, _ in levels).encode())


@shared_loop
@pytest.mark.parametrize("request_id", [7, "seven", None])
async def test_an_answer_repeats_the_id(shared_stream: Connect, request_id: object) -> None:
    """Whatever id a request has, its answer has it too."""
    async with shared_stream() as client:
        await client.send({"op": "ping", "id": request_id})
        assert "time" in (await client.answer(request_id))["result"]


@shared_loop
@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ("", "invalid_request", None),
        ("[]", "invalid_request", None),
        ("{", "invalid_request", None),
        ('{"id":1}', "invalid_request", "op"),
        ('{"op":"ping","id":1} ,', "invalid_request", None),
        ('{"op":"ping","op":"ping","id":1}', "invalid_request", "op"),
        ('{"op":"ping","id":1,"extra":1}', "invalid_request", "extra"),
        ('{"op":"ping","id":1.5}', "invalid_request", "id"),
        ('{"op":"ping","id":1,"params":{"a":NaN}}', "invalid_request", None),
        ('{"op":"ping","id":1,"params":{"a":1}}', "invalid_request", "a"),
        ('{"op":"fly","id":1}', "invalid_request", "op"),
        ('{"op":"subscribe","id":1,"params":{"channels":[]}}', "invalid_request", "channels"),
        (
            '{"op":"subscribe","id":1,"params":{"channels":[{"name":"weather","symbol":"A"}]}}',
            "invalid_request",
            "channels.name",
        ),
        (
            '{"op":"subscribe","id":1,"params":{"channels":[{"name":"book","symbol":"NONE"}]}}',
            "unknown_instrument",
            "symbol",
        ),
        (
            '{"op":"subscribe","id":1,"params":{"channels":[{"name":"book"}]}}',
            "invalid_request",
            "channels.symbol",
        ),
        (
            '{"op":"subscribe","id":1,"params":{"channels":[{"name":"fills","replay_from":-1}]}}',
            "invalid_request",
            "channels[0].replay_from",
        ),
        (
            '{"op":"subscribe","id":1,"params":{"channels":[{"name":"fills"}]}}',
            "unauthenticated",
            None,
        ),
        ('{"op":"login","id":1,"params":{"token":"wrong"}}', "unauthenticated", None),
        ('{"op":"login","id":1}', "invalid_request", None),
        ('{"op":"order.cancel_all","id":1}', "unauthenticated", None),
        ("[" * 50_000, "invalid_request", None),
        ('{"op":"ping","id":"\\ud800"}', "invalid_request", None),
    ],
)  # fmt: skip
async def test_bad_requests(
    shared_exchange: Exchange, shared_stream: Connect, text: str, code: str, field: str | None
) -> None:
    """Each is answered with its problem, changes nothing, and leaves the connection usable."""
    before = await shared_exchange.state_hash()
    async with shared_stream() as client:
        await client.send(text)
        message = json.loads(await client.websocket.recv())
        assert (message["error"]["code"], message["error"].get("field")) == (code, field)
        assert "result" in await client.ask("ping")
    assert await shared_exchange.state_hash() == before


@shared_loop
@pytest.mark.parametrize(
    ("params", "code", "field"),
    [
        (order("a", price=50), "invalid_request", "price"),
        (order("a", price="50.001"), "price_off_tick", "price"),
        (order("a", price="60.00"), "price_outside_limits", "price"),
        (order("a", quantity="1.5"), "quantity_off_lot", "quantity"),
        (order("a", quantity="-1"), "invalid_request", "quantity"),
        (order("a", symbol="NONE"), "unknown_instrument", "symbol"),
        (order("a", side="sell"), "insufficient_credits", "quantity"),
        (order("a" * 17), "invalid_request", "client_order_id"),
        (order("a", account="maker"), "invalid_request", "account"),
    ],
)
async def test_orders_are_checked_as_in_rest(
    shared_exchange: Exchange, shared_stream: Connect, params: dict[str, Any], code: str, field: str
) -> None:
    """The stream refuses with the same problems as POST /v1/orders, and nothing has changed."""
    async with shared_stream("enterprise") as client:
        before = await shared_exchange.state_hash()
        error = (await client.ask("order.place", **params))["error"]
        response = await shared_exchange.client("enterprise").post("/v1/orders", json=params)
        assert error == response.json()
        assert (error["code"], error.get("field")) == (code, field)
        assert await shared_exchange.state_hash() == before


async def test_an_order_from_its_entry_to_its_fills(exchange: Exchange, stream: Connect) -> None:
    """Whoever places an order sees what becomes of it in his channels, before the answer."""
    await quoted(exchange)
    async with stream("enterprise") as client:
        result = await client.subscribe({"name": "orders"}, {"name": "fills"}, {"name": "balances"})
        snapshot = await client.push("balances")
        assert snapshot["type"] == "snapshot"
        answer = await client.ask("order.place", **order("first", price="51.00", quantity="30"))
        placed = answer["result"]
        assert [push["channel"] for push in client.pushes] == ["orders", "fills"]
        pushed_order, fill = client.pushes
        assert pushed_order["data"] == placed
        assert placed["status"] == "filled"
        assert placed["fills"][0].items() <= fill["data"].items()
        assert fill["data"]["order_id"] == placed["order_id"]
        assert fill["previous_sequence"] == result["sequence"]
        client.pushes.clear()
        balances = await client.push("balances")
        assert balances["data"]["credits"][SYMBOL]["locked_today"] == "30"
        assert balances["previous_sequence"] == snapshot["sequence"]
        over_rest = await exchange.client("enterprise").get("/v1/balances")
        assert balances["data"].items() <= over_rest.json().items()


async def test_market_data(exchange: Exchange, stream: Connect) -> None:
    """Each public channel gives a snapshot and then a gapless chain; book messages check out."""
    async with stream() as client:
        names = ("book", "trades", "ticker", "candles")
        await client.subscribe(*({"name": name, "symbol": SYMBOL} for name in names))
        latest = {name: await client.push(name) for name in names}
        assert {push["type"] for push in latest.values()} == {"snapshot"}
        await quoted(exchange)
        buyer = exchange.client("enterprise")
        await buyer.post("/v1/orders", json=order("first", price="51.00", quantity="30"))
        for name in ("book", "trades", "ticker", "candles"):
            message = await client.push(name)
            assert message["previous_sequence"] == latest[name]["sequence"]
            latest[name] = message
        deepest = await client.push("book")
        assert deepest["data"]["asks"] == [["51.00", "70", 1]]
        assert deepest["previous_sequence"] == latest["book"]["sequence"]
        await client.ask("resync", channels=[{"name": "book", "symbol": SYMBOL}])
        fresh = await client.push("book")
        assert (fresh["type"], fresh["sequence"]) == ("snapshot", deepest["sequence"])
        assert fresh["data"]["checksum"] == deepest["data"]["checksum"] == checksum(fresh["data"])
        assert (
            await client.push("trades")
            if latest["trades"]["type"] == "snapshot"
            else latest["trades"]
        )["data"]["quantity"] == "30"


async def test_orders_of_a_connection_keep_their_order(stream: Connect) -> None:
    """Requests sent without waiting reach the engine one after the other."""
    async with stream("enterprise") as client:
        for number in range(50):
            name = f"order-{number}"
            await client.send({"op": "order.place", "id": f"place-{number}", "params": order(name)})
            await client.send(
                {
                    "op": "order.cancel",
                    "id": f"cancel-{number}",
                    "params": {"client_order_id": name},
                }
            )
        answers = [json.loads(await client.websocket.recv()) for _ in range(100)]
        assert all("result" in answer for answer in answers)
        cancelled = [each for each in answers if each["id"].startswith("cancel")]
        assert {each["result"]["status"] for each in cancelled} == {"cancelled"}


async def test_amend_and_cancel(stream: Connect) -> None:
    """A smaller quantity keeps priority, and an order is named by either id."""
    async with stream("enterprise") as client:
        placed = (await client.ask("order.place", **order("first")))["result"]
        again = (await client.ask("order.place", **order("first")))["result"]
        assert again == placed | {"replayed": True}
        smaller = await client.ask("order.amend", client_order_id="first", quantity="5")
        assert smaller["result"]["priority"] == "kept"
        dearer = await client.ask("order.amend", order_id=placed["order_id"], price="50.01")
        assert dearer["result"]["priority"] == "lost"
        both = await client.ask("order.cancel", client_order_id="first", order_id="1")
        assert both["error"]["code"] == "invalid_request"
        assert (await client.ask("order.cancel_all", symbol=SYMBOL))["result"] == {"cancelled": 1}
        gone = await client.ask("order.cancel", order_id=placed["order_id"])
        assert gone["error"]["code"] == "order_not_open"


async def test_nobody_sees_or_touches_others_things(exchange: Exchange, stream: Connect) -> None:
    """Another account's orders are not found and its private channels stay silent."""
    async with stream("enterprise") as owner, stream("organiser") as other:
        await other.subscribe({"name": "orders", "replay_from": 0}, {"name": "fills"})
        placed = (await owner.ask("order.place", **order("first")))["result"]
        for name in ({"order_id": placed["order_id"]}, {"client_order_id": "first"}):
            assert (await other.ask("order.cancel", **name))["error"]["code"] == "not_found"
        assert (await other.ask("order.cancel_all"))["result"] == {"cancelled": 0}
        assert other.pushes == []
        token = exchange.client("maker").headers["Authorization"].removeprefix("Bearer ")
        assert (await other.ask("login", token=token))["error"]["code"] == "conflict"


async def test_login_with_a_key(exchange: Exchange, stream: Connect) -> None:
    """A key's signature logs in, its scopes hold, and once revoked it is worth nothing."""
    private_key = Ed25519PrivateKey.generate()
    public_key = base64.b64encode(private_key.public_key().public_bytes_raw()).decode()
    body = {"name": "reader", "public_key": public_key, "scopes": ["read"]}
    user = exchange.client("enterprise")
    key_id = (await user.post("/v1/keys", json=body)).json()["key_id"]
    timestamp = str(time.time_ns() // 1_000_000)
    message = f"{timestamp}\nGET\n/v1/stream\n{hashlib.sha256(b'').hexdigest()}"
    signature = base64.b64encode(private_key.sign(message.encode())).decode()
    async with stream() as client:
        credentials = {"api_key": key_id, "timestamp": timestamp, "signature": signature}
        wrong = await client.ask("login", **credentials | {"timestamp": str(int(timestamp) + 1)})
        assert wrong["error"]["code"] == "unauthenticated"
        assert (await client.ask("login", **credentials))["result"]["account"] == "enterprise"
        assert (await client.ask("order.place", **order("a")))["error"]["code"] == "forbidden"
        await client.subscribe({"name": "fills"})
        await user.delete(f"/v1/keys/{key_id}")
        ended = await client.ask("subscribe", channels=[{"name": "orders"}])
        assert ended["error"]["code"] == "unauthenticated"


async def test_many_quotes_at_once(stream: Connect) -> None:
    """Each quote stands or is refused on its own; only market makers quote."""
    async with stream("maker") as maker, stream("enterprise") as other:
        quotes = [quote(SYMBOL), quote("NONE"), quote("XM-CER"), quote("WH-CER", bid="51.00")]
        results = (await maker.ask("quote.set", quotes=quotes))["result"]["results"]
        assert [result.get("code") for result in results] == [
            None,
            "unknown_instrument",
            None,
            "invalid_request",
        ]
        assert results[0]["bid"]["price"] == "49.00"
        assert (await maker.ask("quote.set", **quote("WH-CER")))["result"]["symbol"] == "WH-CER"
        refused = (await other.ask("quote.set", **quote()))["error"]
        assert refused["code"] == "forbidden"


@pytest.mark.parametrize(
    ("enabled", "quote_stays", "order_stays"),
    [(None, False, True), (True, False, False), (False, True, True)],
)
async def test_cancel_on_disconnect(
    exchange: Exchange,
    stream: Connect,
    enabled: bool | None,
    quote_stays: bool,
    order_stays: bool,
) -> None:
    """When a connection ends its quotes go, its orders stay, unless it asked for something else;
    what another connection of the same account entered is left alone."""
    async with stream("maker") as watcher:
        await watcher.ask("quote.set", **quote("XM-CER"))
        await watcher.subscribe({"name": "orders"})
        async with stream("maker") as client:
            if enabled is not None:
                await client.ask("cancel_on_disconnect", enabled=enabled)
            await client.ask("quote.set", **quote())
            await client.ask("order.place", **order("first", price="48.00"))
        # The connection is gone; so is, when this is answered, what goes with it.
        for expected in (2 * (not quote_stays) + (not order_stays)) * [{"status": "cancelled"}]:
            await watcher.push("orders", **expected)
        answer = await exchange.client("maker").get("/v1/orders?status=open")
        stays = [(item["symbol"], item["is_quote"]) for item in answer.json()["items"]]
        assert sorted(stays) == sorted(
            2 * [("XM-CER", True)]
            + quote_stays * 2 * [(SYMBOL, True)]
            + order_stays * [(SYMBOL, False)]
        )


async def test_replay_from_memory_and_from_the_database(tmp_path: Path) -> None:
    """A client that comes back gets what it missed, even if the gateway began anew meanwhile."""
    async with running_exchange(tmp_path) as exchange, served(exchange) as stream:
        await quoted(exchange)
        buyer = exchange.client("enterprise")
        for number in range(3):
            body = order(f"order-{number}", price="51.00")
            assert (await buyer.post("/v1/orders", json=body)).status_code == 201
        async with stream("enterprise") as client:
            await client.subscribe({"name": "fills", "replay_from": 0}, {"name": "orders"})
            seen = [await client.push("fills", trade_id=str(number)) for number in (1, 2, 3)]
    async with (
        running_exchange(tmp_path) as exchange,
        served(exchange) as stream,
        stream("enterprise") as client,
    ):
        wanted = seen[1]["sequence"]
        await client.subscribe(
            {"name": "fills", "replay_from": wanted}, {"name": "orders", "replay_from": wanted}
        )
        replayed = [await client.push("fills") for _ in range(2)]
        assert [push["data"] for push in replayed] == [push["data"] for push in seen[1:]]
        assert [push["previous_sequence"] for push in replayed] == [wanted - 1, wanted]
        orders = [(await client.push("orders"))["data"] for _ in range(2)]
        assert [each["client_order_id"] for each in orders] == ["order-1", "order-2"]
        assert [each["status"] for each in orders] == ["filled", "filled"]
        assert client.pushes == []


@shared_loop
@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        ("x" * (64 * 1024 + 1), 1009, "message_too_big"),
        (b"\0" * 128, 1003, "text_messages_only"),
    ],
)
async def test_what_is_no_message_ends_the_connection(
    shared_stream: Connect, message: str | bytes, code: int, reason: str
) -> None:
    """Too long, or not a text: closed with a code and a reason, others are not concerned."""
    async with shared_stream() as client, shared_stream() as other:
        await client.websocket.send(message)
        with pytest.raises(ConnectionClosed) as closed:
            await client.websocket.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, reason)
        assert "result" in await other.ask("ping")


async def test_a_shutdown_is_announced(exchange: Exchange, stream: Connect) -> None:
    """Everybody gets a notice and then the close code of a restarting service."""
    async with stream() as client:
        await client.ask("ping")
        exchange.gateway.streams.shut_down()
        notice = await client.push("system")
        assert notice["data"] == {"event": "server_shutdown"}
        with pytest.raises(ConnectionClosed) as closed:
            await client.websocket.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, "server_shutdown")


async def test_a_client_that_reads_nothing_is_closed(
    exchange: Exchange, stream: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Private messages pile up to a bound; then the connection ends and its quotes are gone."""
    monkeypatch.setattr("api.streams._CLOSE_SECONDS", 0.0)
    async with stream("maker", max_queue=1) as client:
        await client.ask("quote.set", **quote())
        subscriber = next(iter(exchange.gateway.streams._subscribers))
        subscriber.outbox.put("x" * (8 << 20))
        assert subscriber.outbox.closing.is_set()
        with pytest.raises(ConnectionClosed) as closed:
            await client.push("nothing of the sort")
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4008, "slow_consumer")


async def test_market_data_is_conflated_for_a_slow_client(
    exchange: Exchange, stream: Connect
) -> None:
    """A client that does not read costs bounded memory, and catches up with one snapshot."""
    async with stream(max_queue=1) as client:
        await client.subscribe({"name": "book", "symbol": SYMBOL})
        await client.push("book")
        subscriber = next(iter(exchange.gateway.streams._subscribers))
        push = {"channel": "book", "symbol": SYMBOL, "type": "delta", "data": {"x": "x" * 100_000}}
        count = 0
        while not subscriber.outbox._stale:
            exchange.gateway.streams.publish(np.zeros(0, EVENT), [push], Changes([], []))
            count += 1
            assert count < 1_000
            await asyncio.sleep(0)
        for _ in range(1_000):
            exchange.gateway.streams.publish(np.zeros(0, EVENT), [push], Changes([], []))
        for _ in range(count - 1):
            assert (await client.push("book"))["type"] == "delta"
        caught_up = await client.push("book")
        assert caught_up["type"] == "snapshot"
        await quoted(exchange)
        assert (await client.push("book"))["previous_sequence"] == caught_up["sequence"]


@shared_loop
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], None),
        (["puhui.json.v1"], "puhui.json.v1"),
        (["something.else", "puhui.json.v1"], "puhui.json.v1"),
        (["puhui.binary.v1"], None),
    ],
)
async def test_subprotocols(shared_stream: Connect, offered: list[str], chosen: str | None) -> None:
    """The first that is spoken here is chosen; without any, JSON is spoken."""
    async with shared_stream(subprotocols=offered or None) as client:
        assert client.websocket.subprotocol == chosen
        assert "result" in await client.ask("ping")


@shared_loop
async def test_chinese_problems(shared_stream: Connect) -> None:
    """Problems come in the language that the handshake asked for."""
    async with shared_stream(additional_headers={"Accept-Language": "zh-CN"}) as client:
        error = (await client.ask("order.cancel_all"))["error"]
        assert error["detail"] == "需要有效的身份凭证。"


async def test_unsubscribing_is_silence(exchange: Exchange, stream: Connect) -> None:
    """After unsubscribing nothing more comes, and what was never subscribed cannot be resynced."""
    book = {"name": "book", "symbol": SYMBOL}
    async with stream("enterprise") as client:
        await client.subscribe(book, {"name": "orders"})
        await client.push("book")
        await client.ask("unsubscribe", channels=[book, {"name": "orders"}])
        await quoted(exchange)
        await client.ask("order.place", **order("first"))
        assert client.pushes == []
        refused = await client.ask("resync", channels=[book])
        assert refused["error"]["code"] == "conflict"
        await asyncio.sleep(0)
