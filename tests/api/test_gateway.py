"""The gateway process as a whole: several on one core, and failures that must not be silent."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from exchange_driver import Exchange, connect, running_exchange
from fastapi import FastAPI

from api.app import create_app
from api.gateway import Gateway
from api.settings import Settings

ORDER = {
    "client_order_id": "1",
    "symbol": "GD-PHCER",
    "side": "buy",
    "type": "limit",
    "price": "46.00",
    "quantity": "1",
}


def second_gateway(tmp_path: Path) -> FastAPI:
    return create_app(Settings(data_dir=tmp_path, demo=True))


async def test_two_gateways_show_the_same(tmp_path: Path) -> None:
    """An order placed through one is seen, replayed and cancelled through the other, and the login
    holds for both."""
    async with running_exchange(tmp_path) as first:
        app = second_gateway(tmp_path)
        async with app.router.lifespan_context(app):
            headers = first.client("enterprise").headers
            async with connect(app, headers=headers) as other:
                placed = await first.client("enterprise").post("/v1/orders", json=ORDER)
                again = await other.post("/v1/orders", json=ORDER)
                assert (again.status_code, again.json()["replayed"]) == (200, True)
                assert again.json()["order_id"] == placed.json()["order_id"]
                cancelled = await other.delete("/v1/orders/client:1")
                assert cancelled.json()["status"] == "cancelled"
                items = (await first.client("enterprise").get("/v1/orders")).json()["items"]
                assert [each["status"] for each in items] == ["cancelled"]
                gateway: Gateway = app.state.gateway
                assert gateway.database is not first.gateway.database


async def test_a_task_that_dies_ends_the_process(tmp_path: Path) -> None:
    """A failure in the background is not survived in silence."""
    async with running_exchange(tmp_path):
        failed = asyncio.Event()
        gateway = Gateway(Settings(data_dir=tmp_path, demo=True), failed.set)
        await gateway.start()

        async def die() -> None:
            raise ZeroDivisionError

        gateway._background.supervise("dying", die())
        async with asyncio.timeout(10):
            await failed.wait()
        await gateway.stop()


async def test_a_start_that_fails_closes_what_it_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a core the gateway gives up after a while, and says why."""
    monkeypatch.setattr("api.background._CONNECT_SECONDS", 0.0)
    app = second_gateway(tmp_path)
    with pytest.raises(Exception, match="core"):
        async with app.router.lifespan_context(app):
            pass


async def test_what_memory_forgot_and_the_tables_lack_is_not_said_to_be_missing(
    exchange: Exchange,
) -> None:
    """While the tables lag so far, nobody can say that there is no such order."""
    client = exchange.client("enterprise")
    assert (await client.get("/v1/orders/client:none")).status_code == 404
    exchange.gateway.live_orders.complete_from = exchange.gateway.live_orders.sequence + 10
    answer = await client.get("/v1/orders/client:none")
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
