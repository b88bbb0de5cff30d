"""End-of-day runs in real processes: killed at random instants, and started together.

PUHUI_KILLS says how many kills have to hit a run at work; `make soak` asks for a hundred.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import settling_process
from settlement_outcome import outcome_of
from sqlalchemy import select

from engine.codes import Side
from engine.state import state_hash
from settlement import blocks, ledger
from settlement.reconciliation import reconcile
from settlement.tables.clearing import ClearingRun

DAY = 20_777
KILLS = int(os.environ.get("PUHUI_KILLS", "4"))
KILLS_A_DAY = 4
BATCH_SIZE = 2
PATIENCE_SECONDS = 120


@contextmanager
def served(exchange: Any, folder: Path) -> Iterator[Callable[[int], Any]]:
    """Gives a function that starts a process which settles a day of the exchange."""
    url = exchange.database.url.render_as_string(hide_password=False)
    with closing(settling_process.EngineServer(exchange, folder / "engine.sock")) as server:
        yield lambda day: settling_process.start(url, server.address, folder, day, BATCH_SIZE)


def trade(exchange: Any, day: int) -> None:
    """The same orders on the same day, whoever is asked."""
    chance = random.Random(day)
    for _ in range(25):
        side = chance.choice((Side.BUY, Side.SELL))
        account, instrument = chance.randint(1, 4), chance.randint(1, 2)
        price_ticks, lots = 5_000 + chance.randint(-3, 3), chance.randint(1, 20)
        exchange.attempt_order(account, instrument, side, price_ticks, lots)
    exchange.intake.flush()


def status(exchange: Any, day: int) -> str | None:
    """Of the day's run; none before it is begun."""
    with exchange.database.read() as session:
        query = select(ClearingRun.status).where(ClearingRun.trading_day == day)
        return session.scalar(query)


def finish(process: Any) -> None:
    process.join(PATIENCE_SECONDS)
    assert process.exitcode == 0


def assert_alike(exchange: Any, expected: Any) -> None:
    """Nothing tells the two apart, and nothing is amiss."""
    assert outcome_of(exchange.database) == outcome_of(expected.database)
    assert state_hash(exchange.engine.export()) == state_hash(expected.engine.export())
    assert reconcile(exchange.database, exchange).breaks == []
    with exchange.database.read() as session:
        assert ledger.imbalances(session) == []
        assert blocks.partition_faults(session) == []


def test_killed_at_random_instants(
    new_market: Callable[[], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9, again and again, then a run to the end: as if nobody had been killed."""
    monkeypatch.setattr("settlement.netting.BATCH_SIZE", BATCH_SIZE)
    chance = random.Random(KILLS)
    exchange, expected = new_market(), new_market()
    kills, day, longest_seconds = 0, DAY, 0.4
    with served(exchange, tmp_path) as start:
        while kills < KILLS:
            for each in (exchange, expected):
                trade(each, day)
            expected.settle(tmp_path, day=day)
            for _ in range(KILLS_A_DAY):
                process = start(day)
                process.join(chance.uniform(0, longest_seconds))
                process.kill()
                process.join()
                found = status(exchange, day)
                if found == "completed":
                    longest_seconds *= 0.8  # Too late: be quicker next time.
                    break
                kills += found is not None
                longest_seconds *= 1.1
            else:
                finish(start(day))
            assert_alike(exchange, expected)
            day += 1


def test_two_processes_started_together(
    new_market: Callable[[], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them settles the day, the other one finds it done or at work: one result."""
    monkeypatch.setattr("settlement.netting.BATCH_SIZE", BATCH_SIZE)
    exchange, expected = new_market(), new_market()
    for each in (exchange, expected):
        trade(each, DAY)
    expected.settle(tmp_path)
    with served(exchange, tmp_path) as start:
        for process in [start(DAY), start(DAY)]:
            process.join(PATIENCE_SECONDS)
            assert process.exitcode is not None
    assert status(exchange, DAY) == "completed"
    assert_alike(exchange, expected)
