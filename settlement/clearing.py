"""The end-of-day run: from the last trade of a day to the first of the next.

A run is a row in the database and the steps below, done in this order. Each step ends in one
transaction that also records it as done, and what it asks of the engine can be asked again. So a
run that is killed at any instant is carried on by the next call, and comes to one result.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, TypeVar

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from engine.times import day_date
from settlement.calendar import next_trading_day
from settlement.clearing_steps import (
    Desk,
    NeedsApproval,
    close,
    deliver,
    net,
    neutralise,
    reconcile,
    reopen,
    roll,
    state,
)
from settlement.database import Database
from settlement.errors import Refused
from settlement.identity import audit
from settlement.lease import Lease
from settlement.ports import EnginePort
from settlement.statements import prices_of
from settlement.tables.clearing import ClearingPrice, ClearingRun, ReconciliationBreak, Statement
from settlement.tables.ledger import LedgerTransaction
from settlement.tables.trading import Instrument

T = TypeVar("T")

_LOGGER = structlog.get_logger()
_DATABASE_ATTEMPTS = 600
_DATABASE_PAUSE_SECONDS = 1.0


class Step(StrEnum):
    CLOSE = "close"  # the market is closed, day orders expire
    NET = "net"  # closing prices, and what each account bought and sold
    DELIVER = "deliver"  # blocks against cash, batch by batch
    ROLL = "roll"  # the next trading day and its price limits; the resale lock is released
    NEUTRALISE = "neutralise"  # what events were waiting for is retired
    STATEMENTS = "statements"
    RECONCILE = "reconcile"  # engine = ledger = custody
    REOPEN = "reopen"  # where the market goes on around the clock


_STEPS: dict[Step, Callable[[Desk, ClearingRun, str], None]] = {
    Step.CLOSE: close,
    Step.NET: net,
    Step.DELIVER: deliver,
    Step.ROLL: roll,
    Step.NEUTRALISE: neutralise,
    Step.STATEMENTS: state,
    Step.RECONCILE: reconcile,
    Step.REOPEN: reopen,
}
STEPS = tuple(_STEPS)


class RunReport(NamedTuple):
    """How far a run is, and what it came to."""

    run: ClearingRun
    steps_done: int
    batches_done: int
    statements: int
    prices: list[tuple[ClearingPrice, Instrument]]
    breaks: list[ReconciliationBreak]


class Clearing:
    """Begins runs and carries them out; one at a time for a data folder."""

    def __init__(
        self,
        database: Database,
        port: EnginePort,
        data_dir: Path,
        *,
        reopen: bool,
        time_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._database = database
        self._desk = Desk(database, port)
        self._lease = Lease(data_dir / "settlement.lock")
        self._reopen = reopen
        self._time_ns = time_ns

    def begin(self, trading_day: int) -> str:
        """The id of the day's run, which is made if there is none.

        Raises Refused: `already_settled` if it is done, `conflict` if the day is not the present
        trading day.
        """
        run_id = str(uuid.uuid4())
        return self._database.write(
            lambda session: _begin(session, trading_day, run_id, self._time_ns(), self._reopen)
        ).result()

    def run(self, run_id: str) -> bool:
        """Carry the run out to its end, or until an operator has to approve its delivery.

        False if another thread or process is at it.
        Raises what stopped it, which is also recorded; the run can then be carried on.
        """
        if not self._lease.acquire():
            return False
        try:
            self._patiently(lambda: self._mark(run_id, "running"))
            while self._patiently(lambda: self._do_next_step(run_id)):
                pass
            self._patiently(lambda: self._mark(run_id, "completed"))
            return True
        except NeedsApproval:
            self._patiently(lambda: self._mark(run_id, "waiting"))
            return True
        except Exception as error:
            _LOGGER.exception("settlement_stopped", run_id=run_id)
            self._mark(run_id, "failed", f"{type(error).__name__}: {error}")
            raise
        finally:
            self._lease.release()

    def _do_next_step(self, run_id: str) -> bool:
        """Do the first step that is not done; false if all are."""
        run = self._load(run_id)
        done = steps_done(run)
        if done == len(STEPS):
            return False
        _STEPS[STEPS[done]](self._desk, run, STEPS[done])
        return True

    def _patiently(self, work: Callable[[], T]) -> T:
        """Do `work`, again and again while the database is away; matching goes on meanwhile."""
        for _ in range(_DATABASE_ATTEMPTS):
            try:
                return work()
            except OperationalError as error:
                _LOGGER.warning("settlement_waits_for_database", error=str(error.orig))
                time.sleep(_DATABASE_PAUSE_SECONDS)
        return work()

    def _load(self, run_id: str) -> ClearingRun:
        with self._database.read() as session:
            return session.get_one(ClearingRun, run_id)

    def _mark(self, run_id: str, status: str, error: str | None = None) -> None:
        def work(session: Session) -> None:
            run = session.get_one(ClearingRun, run_id)
            if run.status == "completed":
                return
            run.status, run.error = status, error
            if status == "completed":
                run.finished_time_ns = self._time_ns()

        self._database.write(work).result()


def steps_done(run: ClearingRun) -> int:
    """How many of STEPS the run has behind it."""
    return STEPS.index(Step(run.step)) + 1 if run.step else 0


def approve(session: Session, run_id: str, actor: str) -> ClearingRun:
    """An operator's word that the run may deliver; for Database.write. Raises Refused."""
    run = session.get(ClearingRun, run_id)
    if run is None:
        raise Refused("not_found", "There is no such settlement run.")
    if run.status != "waiting":
        raise Refused("conflict", "The run does not wait for an approval.", run_id=run_id)
    run.status, run.approved_by = "running", actor
    audit(session, actor, "settlement_approved", {"run_id": run_id})
    return run


def current_trading_day(session: Session) -> int | None:
    """The trading day that is to be settled next; none before there is an instrument."""
    return session.scalar(select(func.min(Instrument.trading_day)))


def unfinished_run(session: Session, *, also_failed: bool) -> str | None:
    """The run that somebody asked for and that is not at its end.

    One that failed is not tried again of itself, but whenever somebody asks for it.
    """
    unfinished = ("running", "failed", "waiting") if also_failed else ("running",)
    return session.scalar(select(ClearingRun.run_id).where(ClearingRun.status.in_(unfinished)))


def runs(session: Session, before: int, limit: int) -> list[ClearingRun]:
    """Runs of trading days (since 1970-01-01) under `before`, newest first."""
    query = select(ClearingRun).where(ClearingRun.trading_day < before)
    return list(session.scalars(query.order_by(ClearingRun.trading_day.desc()).limit(limit)))


def report(session: Session, run_id: str) -> RunReport:
    """How far the run is. Raises Refused `not_found`."""
    run = session.get(ClearingRun, run_id)
    if run is None:
        raise Refused("not_found", "There is no such settlement run.")
    posted = select(func.count()).where(LedgerTransaction.run_id == run_id)
    written = select(func.count()).where(Statement.run_id == run_id)
    found = select(ReconciliationBreak).where(ReconciliationBreak.run_id == run_id)
    return RunReport(
        run=run,
        steps_done=steps_done(run),
        batches_done=session.scalar(posted) or 0,
        statements=session.scalar(written) or 0,
        prices=[
            (price, session.get_one(Instrument, price.instrument))
            for price in prices_of(session, run_id)
        ],
        breaks=list(session.scalars(found.order_by(ReconciliationBreak.break_id))),
    )


def _begin(session: Session, trading_day: int, run_id: str, time_ns: int, reopens: bool) -> str:
    run = session.scalar(select(ClearingRun).where(ClearingRun.trading_day == trading_day))
    if run is not None and run.status == "completed":
        raise Refused(
            "already_settled",
            f"{day_date(trading_day)} is settled.",
            field="date",
            run_id=run.run_id,
        )
    if run is not None:
        run.status = "running"
        return run.run_id
    current = current_trading_day(session)
    if current != trading_day:
        present = "there is none yet" if current is None else f"it is {day_date(current)}"
        raise Refused(
            "conflict",
            f"{day_date(trading_day)} is not the present trading day: {present}.",
            field="date",
        )
    unfinished = unfinished_run(session, also_failed=True)
    if unfinished is not None:
        raise Refused(
            "conflict", "The run before is not finished.", field="date", run_id=unfinished
        )
    previous = session.scalar(select(func.max(ClearingRun.closing_sequence)))
    session.add(
        ClearingRun(
            run_id=run_id,
            trading_day=trading_day,
            next_trading_day=next_trading_day(session, trading_day),
            status="running",
            reopens=reopens,
            step="",
            started_time_ns=time_ns,
            previous_sequence=previous or 0,
        )
    )
    return run_id
