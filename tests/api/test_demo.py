"""The demo is seeded by ordinary operations, whatever interrupts them, and its maker quotes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exchange_driver import Exchange, running_exchange

from api import demo
from api.demo_maker import DemoMaker
from api.sync_core import SyncCore
from settlement.database import Database
from settlement.ports import Records


class KilledError(Exception):
    """The process dies here."""


class DyingPort:
    """An engine port whose process dies before or after one of its commands."""

    def __init__(self, port: SyncCore, submits_left: int, *, is_sent: bool) -> None:
        self._port = port
        self._submits_left = submits_left
        self._is_sent = is_sent

    def submit(self, commands: Records) -> list[Records]:
        self._submits_left -= 1
        if self._submits_left < 0:
            if self._is_sent:
                self._port.submit(commands)
            raise KilledError
        return self._port.submit(commands)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


async def _promised(exchange: Exchange) -> dict[str, Any]:
    """What the documentation of the demo promises, read over REST."""
    found: dict[str, Any] = {}
    for user in ("enterprise", "organiser", "maker", "compliance"):
        balances = (await exchange.client(user).get("/v1/balances")).json()
        found[user] = (balances["cash"], balances["credits"])
    headroom = await exchange.client("compliance").get("/v1/compliance/headroom?scheme=demo")
    found["headroom"] = headroom.json()
    instruments = (await exchange.public.get("/v1/instruments")).json()["items"]
    found["instruments"] = [
        {key: item[key] for key in ("symbol", "reference_price", "phase")} for item in instruments
    ]
    reconciliation = await exchange.client("operator").get("/v1/operator/reconciliation")
    found["breaks"] = reconciliation.json()["breaks"]
    batches = (await exchange.public.get("/v1/registry/batches")).json()["items"]
    found["batches"] = sorted(batch["batch_id"] for batch in batches)
    return found


async def test_what_the_demo_promises(exchange: Exchange) -> None:
    """Users, cash, credits in custody, an obligation with headroom, an open market."""
    found = await _promised(exchange)
    cash = {"CNY": {"available": "10000000.00", "held": "0.00"}}
    credits_of_maker = {"available": "500000", "held": "0", "locked_today": "0"}
    for user in ("enterprise", "organiser", "compliance"):
        assert found[user] == (cash, {})
    assert found["maker"] == (cash, dict.fromkeys(demo.SYMBOLS, credits_of_maker))
    assert found["instruments"] == [
        {"symbol": symbol, "reference_price": "50.00", "phase": "continuous"}
        for symbol in demo.SYMBOLS
    ]
    assert found["headroom"]["cap"] == found["headroom"]["headroom"] == "5000"
    assert found["breaks"] == []


@pytest.mark.parametrize("is_sent", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("submits", range(6))
async def test_a_seeding_that_was_killed_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, submits: int, is_sent: bool
) -> None:
    """KilledError before or after any of its commands, the next start gives the same demo."""
    whole = demo._seed

    def dying(database: Database, port: SyncCore) -> None:
        with pytest.raises(KilledError):
            whole(database, DyingPort(port, submits, is_sent=is_sent))

    monkeypatch.setattr(demo, "_seed", dying)
    async with running_exchange(tmp_path):
        pass
    monkeypatch.setattr(demo, "_seed", whole)
    async with running_exchange(tmp_path) as exchange:
        found = await _promised(exchange)
    async with running_exchange(tmp_path / "untouched") as exchange:
        assert found == await _promised(exchange)


class FakeSocket:
    """Keeps what the maker sends."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    async def send(self, text: str) -> None:
        self.sent.append(json.loads(text))


def _middles(seed: int, steps: int) -> Iterator[dict[str, int]]:
    maker = DemoMaker("http://127.0.0.1:1", demo.SYMBOLS, seed=seed)
    for _ in range(steps):
        maker._step()
        yield dict(maker._middles)


def test_the_maker_wanders_within_bounds() -> None:
    """The same seed gives the same prices; every quote stays between 49.00 and 51.00."""
    first, again, other = (list(_middles(seed, 20_000)) for seed in (1, 1, 2))
    assert first == again != other
    middles = np.array([list(step.values()) for step in first])
    assert middles.min() - 10 >= 4_900
    assert middles.max() + 10 <= 5_100
    assert len(np.unique(middles)) > 20


@pytest.mark.parametrize(
    ("message", "missing"),
    [
        ({"id": 1, "result": {"results": [{}, {}, {}]}}, set()),
        ({"id": 1, "result": {"results": [{}, {"code": "market_closed"}, {}]}}, {"WH-CER"}),
        ({"id": 1, "error": {"code": "too_many_requests"}}, set(demo.SYMBOLS)),
    ],
)
async def test_the_maker_asks_again_for_what_was_refused(
    monkeypatch: pytest.MonkeyPatch, message: dict[str, Any], missing: set[str]
) -> None:
    """A refused quote is missing and will be sent again; an accepted one is not."""
    monkeypatch.setattr("api.demo_maker.RETRY_SECONDS", 0)
    maker, websocket = DemoMaker("http://127.0.0.1:1", demo.SYMBOLS), FakeSocket()
    maker._missing = set(demo.SYMBOLS)
    await maker._send_quotes(websocket)  # type: ignore[arg-type]
    assert [quote["symbol"] for quote in websocket.sent[0]["params"]["quotes"]] == sorted(
        demo.SYMBOLS
    )
    await maker._hear_answer(message)
    assert maker._missing == missing


def test_the_maker_fills_up_what_was_taken() -> None:
    """A quote that is no longer whole is set again; its own whole quote is not."""
    maker = DemoMaker("http://127.0.0.1:1", ("XM-CER",))
    maker._hear_order({"symbol": "XM-CER", "remaining_quantity": "1000"})
    maker._hear_order({"symbol": "elsewhere", "remaining_quantity": "1"})
    assert maker._missing == set()
    maker._hear_order({"symbol": "XM-CER", "remaining_quantity": "999"})
    assert maker._missing == {"XM-CER"}
