"""The loop that follows the calendar: in the gateway with the lease, and whatever goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exchange_driver import running_exchange
from sqlalchemy.exc import OperationalError
from stream_driver import served

from api import market_phases
from api.core_client import CoreUnavailable
from engine.times import format_day
from settlement.market_phases import Halt, Scheduler

_HOUR_NS = 3_600 * 10**9


async def test_the_gateway_closes_the_market_when_its_time_has_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a clock of the test's own: at 16:00 in Beijing the national hours are over."""
    now_ns: list[int] = [0]

    def scheduler(database: Any, port: Any) -> Scheduler:
        return Scheduler(database, port, lambda: now_ns[0])

    monkeypatch.setattr(market_phases, "Scheduler", scheduler)
    async with running_exchange(tmp_path) as exchange, served(exchange) as connect:
        day = exchange.gateway.instruments.by_symbol["XM-CER"].trading_day
        now_ns[0] = day * 24 * _HOUR_NS + 8 * _HOUR_NS
        operator = exchange.client("operator")
        async with connect() as client:
            await client.subscribe({"name": "ticker", "symbol": "XM-CER"})
            await client.push("ticker", phase="continuous")
            # Whatever day of the week the test runs on.
            path = f"/v1/operator/calendar/days/{format_day(day)}"
            await operator.put(path, json={"is_trading": True, "note": "Test"})
            path = "/v1/operator/calendar/instruments/XM-CER"
            assert (await operator.put(path, json={"template": "national"})).status_code == 200
            await client.push("ticker", phase="closed")
        found = (await exchange.public.get("/v1/instruments")).json()["items"]
        phases = {each["symbol"]: each["phase"] for each in found}
        assert phases == {"GD-PHCER": "continuous", "XM-CER": "closed", "WH-CER": "continuous"}


class Outside:
    """A gateway for the loop alone."""

    has_lease = False
    database = sync_core = None

    def __init__(self) -> None:
        self.halts: dict[int, Halt] = {}
        self.changed = asyncio.Event()

    def set_halts(self, found: dict[int, Halt]) -> None:
        self.halts = found
        self.changed.set()


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets the loop's turns be these, at once one after the other; the last one goes on."""

    def replace(*turns: Callable[[], Any]) -> None:
        left = list(turns)

        def turn(*_: Any) -> Any:
            return (left.pop(0) if len(left) > 1 else left[0])()

        monkeypatch.setattr(market_phases, "_turn", turn)
        monkeypatch.setattr(market_phases, "_TURN_SECONDS", 0.0)

    return replace


def fail(error: Exception) -> Any:
    raise error


async def test_the_loop_outlives_a_lost_core_and_database(turns: Callable[..., None]) -> None:
    """Both come back, and what was missed is done then."""
    halt = Halt("Storm", "operator", 1)
    turns(
        lambda: fail(CoreUnavailable("gone")),
        lambda: fail(OperationalError("SELECT", {}, Exception("gone"))),
        lambda: ({1: halt}, 1),
    )
    outside = Outside()
    loop = asyncio.create_task(market_phases.follow_calendar(outside))  # type: ignore[arg-type]
    await outside.changed.wait()
    assert outside.halts == {1: halt}
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop


async def test_what_was_read_before_a_halt_does_not_take_it_back(
    turns: Callable[..., None],
) -> None:
    """A turn that began before the operator's word ends after it."""
    halt = Halt("Storm", "operator", 1)
    outside = Outside()
    asked = asyncio.Event()
    event_loop = asyncio.get_running_loop()
    calls: list[int] = []

    def stale() -> Any:
        outside.set_halts({1: halt})
        return {}, None

    def later() -> Any:
        calls.append(len(outside.halts))
        event_loop.call_soon_threadsafe(asked.set)
        return {1: halt}, None

    turns(stale, later)
    loop = asyncio.create_task(market_phases.follow_calendar(outside))  # type: ignore[arg-type]
    await asked.wait()
    assert calls[0] == 1
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop
