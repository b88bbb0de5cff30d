"""The websocket, end to end: a real server on a port, real clients, a real core behind it."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from exchange_driver import Exchange
from stream_driver import SYMBOL, Connect, checksum, order, quote, quoted, served
from websockets.exceptions import ConnectionClosed

from api.live_orders import Changes
from engine.records import EVENT

# Tests that leave the exchange as it is share one, which saves starting it for each.
shared_loop = pytest.mark.asyncio(loop_scope="module")


@shared_loop
@pytest.mark.parametrize("request_id", [7, "seven", None])
async def test_an_answer_repeats_the_id(shared_stream: Connect, request_id: object) -> None:
    """Whatever id a request has, its answer has it too."""
    async with shared_stream() as client:
        await client.send({"op": "ping", "id": request_id})
        assert "time" in (await client.answer(request_id))["result"]


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
        assert latest["trades"]["data"]["quantity"] == "30"


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
        (["puhui.binary.v1", "puhui.json.v1"], "puhui.binary.v1"),
        (["puhui.binary.v2"], None),
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
        assert error["detail"] == "请先登录。"


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


async def test_a_peer_that_is_gone_without_a_word_is_cut_off(exchange: Exchange) -> None:
    """As a machine without power: the connection stands, and no ping is answered. It takes no room
    for ever, and the quotes that were to go with it go."""
    streams, core = exchange.gateway.streams, exchange.gateway.core
    open_orders = len((await core.market()).orders)
    async with (
        served(exchange, ws_ping_interval=0.2, ws_ping_timeout=1.0) as connected,
        connected("maker", ping_interval=None, close_timeout=0) as dead,
    ):
        await dead.ask("quote.set", **quote())
        assert len((await core.market()).orders) == open_orders + 2
        dead.websocket.transport.pause_reading()
        async with asyncio.timeout(30):
            while streams.connections:  # noqa: ASYNC110
                await asyncio.sleep(0)
            while len((await core.market()).orders) > open_orders:
                pass
