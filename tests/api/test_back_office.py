"""The back office: duties apart from each other, what gateways left, and one at a time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import structlog
from exchange_driver import Exchange, running_back_office, running_core
from sqlalchemy import update
from stream_driver import order

from api import back_office, cancel_after, metrics
from api.settings import Settings
from settlement import identity
from settlement.tables.identity import CashRequest


async def test_a_duty_that_fails_leaves_the_others_and_is_counted(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again, and the intake and the switches go on meanwhile."""
    monkeypatch.setattr(back_office, "_FAILED_SECONDS", 0.1)
    failures = metrics.DUTY_FAILURES.labels("calendar")
    before = failures._value.get()

    def step(_: Any) -> None:
        raise ZeroDivisionError

    # Without a log: a traceback takes longer to draw than the test.
    with monkeypatch.context() as patch, structlog.testing.capture_logs():
        patch.setattr("api.back_office.Scheduler.step", step)
        again = back_office.BackOffice(exchange.back_office.settings)
        await exchange.back_office.stop()
        await again.start()
        try:
            async with asyncio.timeout(10):
                while failures._value.get() < before + 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await _cancelled_by_its_switch(exchange)
        finally:
            await again.stop()


async def _cancelled_by_its_switch(exchange: Exchange) -> None:
    client = exchange.client("enterprise")
    assert (await client.post("/v1/orders", json=order("1"))).status_code == 201
    assert (await client.post("/v1/cancel-after", json={"seconds": 1})).status_code == 200
    async with asyncio.timeout(10):
        while (await client.get("/v1/orders/client:1")).json()["status"] != "cancelled":  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_switch_that_is_put_off_while_it_fires_stays_armed(exchange: Exchange) -> None:
    """Only the deadline that fired is taken away; the new one is the next to come."""
    database, port = exchange.back_office.database, exchange.back_office.sync_core
    with database.read() as session:
        number = identity.account_number(session, "enterprise")
    first_ns = cancel_after.arm(database, number, 3_600)
    assert first_ns is not None

    class PutOff:
        """An engine that is asked just when the account puts its switch off."""

        def submit(self, commands: Any) -> Any:
            self.second_ns = cancel_after.arm(database, number, 7_200)
            return port.submit(commands)

    during = PutOff()

    def fire() -> int | None:
        cancel_after.fire_due(database, during, first_ns)  # type: ignore[arg-type]
        return cancel_after.fire_due(database, port, first_ns)

    assert await asyncio.to_thread(fire) == during.second_ns


async def test_what_a_killed_gateway_left_is_finished(exchange: Exchange) -> None:
    """A deposit that was approved and never sent is in the account soon, and only once."""
    client = exchange.client("operator")
    body = {"account": "enterprise", "kind": "deposit", "amount": "5.00"}
    before = await _cash(exchange)
    assert (await client.post("/v1/operator/cash", json=body)).status_code == 201
    assert await _cash(exchange) == before + 500
    database = exchange.back_office.database
    # As if it had never been sent, and as if its outcome had never been written down.
    database.write(
        lambda session: session.execute(update(CashRequest).values(status="approved"))
    ).result()
    async with asyncio.timeout(10):
        while True:
            items = (await client.get("/v1/operator/cash")).json()["items"]
            if [item["status"] for item in items] == ["completed"]:
                break
            await asyncio.sleep(0.02)
    assert await _cash(exchange) == before + 500


async def _cash(exchange: Exchange) -> int:
    answer = (await exchange.client("enterprise").get("/v1/balances")).json()
    return round(float(answer["cash"]["CNY"]["available"]) * 100)


async def test_a_second_one_waits_for_the_first(tmp_path: Path) -> None:
    """Two of them on one folder would write the same; the second takes over when it may."""
    settings = Settings(data_dir=tmp_path)
    async with running_core(tmp_path):
        async with running_back_office(settings):
            second = back_office.BackOffice(settings)
            starting = asyncio.create_task(second.start())
            done, _ = await asyncio.wait([starting], timeout=0.3)
            assert not done
        async with asyncio.timeout(10):
            await starting
        await second.stop()
