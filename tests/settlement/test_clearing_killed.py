"""The end-of-day run comes to one result, however often and wherever it is killed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from settlement_outcome import outcome_of
from sqlalchemy import select

from engine.state import state_hash
from settlement import event_offsets, events
from settlement.clearing import Clearing
from settlement.database import Database
from settlement.event_rules import Activity
from settlement.reconciliation import reconcile
from settlement.tables.clearing import ClearingRun

DAY = 20_777


class Killed(BaseException):
    """The process is gone: nothing after this runs, as with kill -9."""


class Fuse:
    """Blows at the n-th dangerous moment."""

    def __init__(self, moments: int) -> None:
        self.left = moments

    def burn(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


class KillableDatabase(Database):
    """A database whose process can die before and after each commit."""

    def __init__(self, url: str, fuse: Fuse) -> None:
        super().__init__(url)
        self._fuse = fuse

    def write(self, work: Callable[..., Any]) -> Future[Any]:
        def dangerous(session: Any) -> Any:
            outcome = work(session)
            self._fuse.burn()
            return outcome

        done = super().write(dangerous)
        done.result()
        self._fuse.burn()
        return done


class KillablePort:
    """A link whose process can die before a command is sent, and before its answer is read."""

    def __init__(self, exchange: Any, fuse: Fuse) -> None:
        self._exchange = exchange
        self._fuse = fuse
        self.account = exchange.account
        self.balances = exchange.balances

    def submit(self, commands: np.ndarray) -> list[np.ndarray]:
        self._fuse.burn()
        answers = self._exchange.submit(commands)
        self._fuse.burn()
        return answers


def day_of(new_market: Callable[[], Any]) -> Any:
    exchange = new_market()
    exchange.trade_a_day()
    # Of the 400 t that account 3 has bought, 70 are for an event.
    sources = [Activity("fuel", "diesel", "22.5", "t")]
    plan = events.Plan("年会", "conference", 100, 1, 2, sources)

    def offset(session: Any) -> None:
        event = events.create(session, 3, plan, None, 1)
        event_offsets.ask(session, event, "GD-PHCER", 1)

    exchange.database.write(offset).result()
    return exchange


def test_a_run_killed_anywhere_comes_to_the_same_result(
    tmp_path: Path, backend: str, new_market: Callable[[], Any]
) -> None:
    """Die at every commit and at every command, before and after, carry on: one result."""

    expected_exchange = day_of(new_market)
    expected_exchange.settle(tmp_path)
    expected = outcome_of(expected_exchange.database)
    assert expected["retired"] == [(3, "retirement", 70, "活动碳中和 Event neutrality: 年会")]
    moments = 0
    # A PostgreSQL database takes long to make; there every third moment must do.
    for moment in itertools.count(1, 1 if backend == "sqlite" else 3):
        exchange = day_of(new_market)
        fuse = Fuse(moment)
        killable = KillableDatabase(exchange.database.url.render_as_string(False), fuse)
        folder = tmp_path / str(moment)
        folder.mkdir()
        try:
            work = Clearing(killable, KillablePort(exchange, fuse), folder, reopen=True)
            work.run(work.begin(DAY))
            break
        except Killed:
            moments += 1
        finally:
            killable.close()
        with exchange.database.read() as session:
            is_completed = session.scalar(select(ClearingRun.status)) == "completed"
        if not is_completed:
            exchange.settle(folder)
        found = outcome_of(exchange.database)
        assert found == expected, f"killed at moment {moment}"
        assert reconcile(exchange.database, exchange).breaks == []
        assert state_hash(exchange.engine.export()) == state_hash(
            expected_exchange.engine.export()
        ), f"killed at moment {moment}"
        exchange.intake.close()
        exchange.database.close()
    assert moments > 25 // (1 if backend == "sqlite" else 3)
