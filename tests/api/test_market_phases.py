"""The calendar is followed in the back office, whoever looks at the market through a gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from exchange_driver import running_exchange
from stream_driver import served

from api import back_office
from engine.times import format_day
from settlement.market_phases import Scheduler

_HOUR_NS = 3_600 * 10**9


async def test_the_back_office_closes_the_market_when_its_time_has_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a clock of the test's own: at 16:00 in Beijing the national hours are over."""
    now_ns: list[int] = [0]

    def scheduler(database: Any, port: Any) -> Scheduler:
        return Scheduler(database, port, lambda: now_ns[0])

    monkeypatch.setattr(back_office, "Scheduler", scheduler)
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
