"""When something fails: the core is gone, an outcome is unknown, a route breaks, a body is late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from exchange_driver import (
    Exchange,
    connect,
    running_back_office,
    running_core,
    running_exchange,
)

from api import edge
from api.app import create_app
from api.core_client import ExecutionUnknown
from api.settings import Settings

ORDER = {
    "client_order_id": "a/b",
    "symbol": "GD-PHCER",
    "side": "buy",
    "type": "limit",
    "price": "46.00",
    "quantity": "1",
}


@asynccontextmanager
async def _left_by_its_core(data_dir: Path, username: str) -> AsyncIterator[Any]:
    """A gateway of the demo whose core has gone away, and a client of it that has logged in."""
    async with running_exchange(data_dir):
        pass  # seeded
    settings = Settings(data_dir=data_dir, demo=True)
    app = create_app(settings)
    core = running_core(data_dir)
    await core.__aenter__()
    async with (
        running_back_office(settings),
        app.router.lifespan_context(app),
        connect(app) as client,
    ):
        login = {"username": username, "password": "demo"}
        token = (await client.post("/v1/sessions", json=login)).json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        await core.__aexit__(None, None, None)
        while app.state.gateway.core.connected:  # noqa: ASYNC110
            await asyncio.sleep(0)
        yield client


async def test_without_the_core_nothing_is_taken(tmp_path: Path) -> None:
    """503 with Retry-After while the core is gone, market data from memory; then all goes on."""
    async with _left_by_its_core(tmp_path, "enterprise") as client:
        requests: list[tuple[str, str, Any]] = [
            ("POST", "/v1/orders", ORDER),
            ("DELETE", "/v1/orders", None),
            ("GET", "/v1/balances", None),
            ("GET", "/readyz", None),
        ]
        for method, path, body in requests:
            answer = await client.request(method, path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
            assert answer.headers["retry-after"] == "1"
        assert (await client.get("/v1/market/GD-PHCER/book")).status_code == 200
        assert (await client.get("/v1/status")).json()["engine"] == "unavailable"
        async with running_core(tmp_path):
            async with asyncio.timeout(30):
                # Reconnecting has no event that a client could wait for.
                while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            assert (await client.post("/v1/orders", json=ORDER)).status_code == 201


async def test_on_a_full_disk_orders_wait_and_cancels_do_not(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with Retry-After for orders, changes and quotes; cancels and administration are done."""
    client = exchange.client("enterprise")
    first = (await client.post("/v1/orders", json=ORDER)).json()
    more = {**ORDER, "client_order_id": "more"}
    with monkeypatch.context() as patch:
        patch.setattr("engine.reserve.MINIMUM_FREE_BYTES", 1 << 80)
        # The first one may find out.
        await client.post("/v1/orders", json={**ORDER, "client_order_id": "first"})
        refused = [
            await client.post("/v1/orders", json=more),
            await client.patch(f"/v1/orders/{first['order_id']}", json={"price": "45.00"}),
        ]
        for answer in refused:
            assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
            assert answer.headers["retry-after"] == "1"
        gone = await client.delete(f"/v1/orders/{first['order_id']}")
        assert (gone.status_code, gone.json()["status"]) == (200, "cancelled")
    # The next command lets the core look at the disk again, and tell it.
    await client.delete("/v1/orders")
    assert (await client.post("/v1/orders", json=more)).status_code == 201


async def test_what_waits_for_the_core_goes_on_when_it_is_back(tmp_path: Path) -> None:
    """A withdrawal that was accepted while the core was away needs nobody to ask again."""
    async with _left_by_its_core(tmp_path, "maker") as client:
        body = {"symbol": "GD-PHCER", "quantity": "5"}
        answer = await client.post("/v1/registry/withdrawals", json=body)
        assert answer.status_code in {503, 504}
        async with running_core(tmp_path):
            async with asyncio.timeout(30):
                held: list[Any] = []
                while not held:
                    holdings = (await client.get("/v1/registry/holdings")).json()["items"]
                    held = [block for block in holdings if block["status"] == "held"]
            assert [block["quantity"] for block in held] == ["5"]


async def test_an_unknown_outcome_names_where_to_ask(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that was sent and not answered is 504 with the URL that will tell."""

    async def submit(_: Any) -> Any:
        raise ExecutionUnknown("the core was lost before its reply")

    client = exchange.client("enterprise")
    with monkeypatch.context() as patch:
        patch.setattr(exchange.gateway.core, "submit", submit)
        answer = await client.post("/v1/orders", json=ORDER)
        assert (answer.status_code, answer.json()["code"]) == (504, "execution_unknown")
        other = await client.delete("/v1/orders/client:x")
        assert other.json()["query_url"] == "/v1/orders/client:x"
    query_url = answer.json()["query_url"]
    assert query_url == "/v1/orders/client:a%2Fb"
    assert (await client.get(query_url)).status_code == 404
    assert (await client.post("/v1/orders", json=ORDER)).status_code == 201
    assert (await client.get(query_url)).json()["client_order_id"] == "a/b"


async def test_an_unexpected_failure_is_a_problem(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reading request that breaks is 500; of a changing one the outcome is unknown."""

    def fail(*_: Any) -> Any:
        raise ZeroDivisionError

    client = exchange.client("enterprise")
    with monkeypatch.context() as patch:
        patch.setattr(exchange.gateway, "render_order", fail)
        answer = await client.post("/v1/orders", json=ORDER | {"client_order_id": "1"})
        assert (answer.status_code, answer.json()["code"]) == (504, "execution_unknown")
        answer = await client.get("/v1/orders/client:1")
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert "ratelimit" in answer.headers
    assert (await client.get("/v1/orders/client:1")).json()["status"] == "open"


async def test_a_late_body_is_given_up(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that is not complete in time is answered with 408 and the connection is closed."""
    monkeypatch.setattr(edge, "BODY_SECONDS", 0.01)

    async def never_ending() -> Any:
        yield b'{"client_order_id'
        await asyncio.Event().wait()

    headers = {"Content-Type": "application/json"}
    answer = await exchange.client("enterprise").post(
        "/v1/orders", content=never_ending(), headers=headers
    )
    assert (answer.status_code, answer.json()["code"]) == (408, "invalid_request")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh", "zh-CN"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("en;q=0.9, zh-TW;q=0.5", "en"),
        ("fr, *;q=0.1", "en"),
        ("zh;q=x", "en"),
        ("zh;q=0", "en"),
    ],
)
async def test_problems_speak_the_readers_language(
    exchange: Exchange, header: str, language: str
) -> None:
    """`detail` is Chinese or English, as Accept-Language ranks them; the code is the same."""
    answer = await exchange.public.get("/v1/instruments/NONE", headers={"Accept-Language": header})
    assert answer.json()["code"] == "unknown_instrument"
    assert answer.headers["content-language"] == language
    is_chinese = any("\u4e00" <= character <= "\u9fff" for character in answer.json()["detail"])
    assert is_chinese == (language == "zh-CN")
