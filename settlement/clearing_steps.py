"""The steps of the end-of-day run; each can be done again and changes nothing the second time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import structlog
from sqlalchemy import delete, insert, literal, select
from sqlalchemy.orm import Session

from engine.codes import Code, CommandKind, EventKind, Phase
from engine.records import ADMIN_COMMAND, COMMAND
from settlement import delivery, event_offsets, netting, reconciliation, statements
from settlement.block_delivery import Shortage
from settlement.custody import ShortageError
from settlement.database import Database
from settlement.errors import Refused
from settlement.intake import wait_for_intake
from settlement.market_rules import closing_price_rules
from settlement.netting import DayFigures
from settlement.ports import EnginePort
from settlement.tables.clearing import (
    ClearingNet,
    ClearingPrice,
    ClearingRun,
    ReconciliationBreak,
)
from settlement.tables.trading import Instrument, Trade

_LOGGER = structlog.get_logger()
# A delivery waits for a custody operation under way, and a roll closes a market that somebody has
# opened again, this many times before the run stops with an error.
_ATTEMPTS = 60
_PAUSE_SECONDS = 0.5


class ClearingError(Exception):
    """The run cannot go on until somebody has looked; it can be carried on afterwards."""


class NeedsApproval(Exception):  # noqa: N818 - the run waits, nothing failed
    """The rules want an operator to approve the delivery first."""


class Desk(NamedTuple):
    """What a run works with."""

    database: Database
    port: EnginePort


class Reply(NamedTuple):
    sequence: int
    kind: int
    code: int


def close(desk: Desk, run: ClearingRun, step: str) -> None:
    """Close the day's instruments and wait until the database has their last trade."""
    with desk.database.read() as session:
        query = select(Instrument.number).where(Instrument.trading_day == run.trading_day)
        numbers = list(session.scalars(query.order_by(Instrument.number)))
    closing_sequence = _set_phase(desk, numbers, Phase.CLOSED)
    wait_for_intake(desk.database, closing_sequence)
    _finish(desk, run, step, lambda _, row: setattr(row, "closing_sequence", closing_sequence))


def net(desk: Desk, run: ClearingRun, step: str) -> None:
    """Fix closing prices and net the day's trades, for each account and instrument."""

    def work(session: Session, row: ClearingRun) -> None:
        trades = netting.unsettled(row.closing_sequence)
        figures = netting.day_figures(session, trades)
        for number, sequence in netting.carried_over(session, row).items():
            # An earlier run has priced these trades already; their nets are still to be delivered.
            of_day = trades & (Trade.instrument == number) & (Trade.sequence > sequence)
            figures |= {number: DayFigures()} | netting.day_figures(session, of_day)
        query = select(Instrument).where(Instrument.trading_day == row.trading_day)
        settled = {item.number: item for item in session.scalars(query)}
        rule_of = closing_price_rules(session)
        for number, instrument in sorted(settled.items()):
            day = figures.get(number, DayFigures())
            price_ticks, method = netting.closing_price(instrument, day, rule_of(instrument.symbol))
            session.add(
                ClearingPrice(
                    run_id=row.run_id,
                    instrument=number,
                    after_sequence=instrument.settled_sequence,
                    previous_price_ticks=instrument.reference_price_ticks,
                    closing_price_ticks=price_ticks,
                    method=method,
                    **day._asdict(),
                )
            )
        session.flush()
        of_run = netting.net_rows(trades & (Instrument.trading_day == row.trading_day)).subquery()
        columns = ["run_id", "instrument", "account", *netting.Net._fields]
        values = select(literal(row.run_id), *of_run.c)
        session.execute(insert(ClearingNet).from_select(columns, values))
        row.batches = sum(map(len, delivery.plan(session, row.run_id).values()))

    _finish(desk, run, step, work)


def deliver(desk: Desk, run: ClearingRun, step: str) -> None:
    """Deliver the blocks against cash, one transaction for each batch.

    An instrument of which a seller's blocks are short is left to the next run, whole, with a break.
    """
    with desk.database.read() as session:
        if run.approved_by is None and delivery.needs_approval(session, run.run_id):
            raise NeedsApproval
        planned = delivery.plan(session, run.run_id)
    if sum(map(len, planned.values())) != run.batches:
        # Another release began this run and cut it otherwise; what it posted has other keys.
        raise ClearingError("the delivery was planned in another way; finish it with that release")
    for instrument, batches in planned.items():
        for index in range(len(batches)):
            try:
                _deliver_batch(desk, run.run_id, instrument, batches, index)
            except ShortageError as error:
                if index > 0:
                    raise  # what is delivered already must not be netted again
                _LOGGER.error("delivery_failed", error=str(error))
                _carry_over(desk, run.run_id, instrument, len(batches), error.shortage)
                break
    _finish(desk, run, step)


def roll(desk: Desk, run: ClearingRun, step: str) -> None:
    """Begin the next trading day with the closing price as reference; the resale lock ends."""
    with desk.database.read() as session:
        prices = statements.prices_of(session, run.run_id)
    sequence = 0
    for price in prices:
        sequence = max(sequence, _roll_instrument(desk, run, price))
    wait_for_intake(desk.database, sequence)
    _finish(desk, run, step)


def neutralise(desk: Desk, run: ClearingRun, step: str) -> None:
    """Retire the credits that events were waiting for, now that they are delivered and free."""
    event_offsets.retire_due(desk.database, desk.port)
    _finish(desk, run, step)


def state(desk: Desk, run: ClearingRun, step: str) -> None:
    """Write every account's statement."""
    _finish(desk, run, step, statements.write)


def reconcile(desk: Desk, run: ClearingRun, step: str) -> None:
    """Compare engine, ledger and custody, and keep what does not agree."""
    outcome = reconciliation.reconcile(desk.database, desk.port)

    def work(session: Session, row: ClearingRun) -> None:
        found_before = ReconciliationBreak.run_id == row.run_id
        is_compared = ReconciliationBreak.kind != reconciliation.BreakKind.DELIVERY
        session.execute(delete(ReconciliationBreak).where(found_before, is_compared))
        session.add_all(
            ReconciliationBreak(run_id=row.run_id, **found._asdict()) for found in outcome.breaks
        )

    _finish(desk, run, step, work)


def reopen(desk: Desk, run: ClearingRun, step: str) -> None:
    """Open the next day at once, in a market around the clock and if nothing is amiss."""
    with desk.database.read() as session:
        numbers = [price.instrument for price in statements.prices_of(session, run.run_id)]
        query = select(ReconciliationBreak.break_id).where(
            ReconciliationBreak.run_id == run.run_id,
            ReconciliationBreak.kind != reconciliation.BreakKind.DELIVERY,
        )
        is_broken = session.scalar(query.limit(1)) is not None
    if is_broken:
        _LOGGER.error("settlement_has_breaks", run_id=run.run_id)
    elif run.reopens:
        wait_for_intake(desk.database, _set_phase(desk, numbers, Phase.CONTINUOUS))
    _finish(desk, run, step)


def _finish(
    desk: Desk,
    run: ClearingRun,
    step: str,
    work: Callable[[Session, ClearingRun], Any] | None = None,
) -> None:
    """Do the step's work and record the step as done, in one transaction."""

    def transaction(session: Session) -> None:
        row = session.get_one(ClearingRun, run.run_id)
        if row.step != run.step:
            raise ClearingError(f"the run is at {row.step!r}, this step began at {run.step!r}")
        if work is not None:
            work(session, row)
        row.step = step

    desk.database.write(transaction).result()


def _deliver_batch(
    desk: Desk, run_id: str, instrument: int, batches: Sequence[netting.Batch], index: int
) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            desk.database.write(
                lambda session: delivery.deliver_batch(session, run_id, instrument, batches, index)
            ).result()
            return
        except Refused as refused:
            # A deposit or withdrawal is between the engine and the registry; it ends either way.
            if attempt == _ATTEMPTS - 1:
                raise ClearingError(refused.detail) from refused
            time.sleep(_PAUSE_SECONDS)


def _carry_over(desk: Desk, run_id: str, instrument: int, batches: int, shortage: Shortage) -> None:
    desk.database.write(
        lambda session: delivery.carry_over(session, run_id, instrument, batches, shortage)
    ).result()


def _roll_instrument(desk: Desk, run: ClearingRun, price: ClearingPrice) -> int:
    """Roll one instrument; returns the sequence after which it is rolled."""
    reference_price_ticks = price.closing_price_ticks
    for _ in range(_ATTEMPTS):
        reply = _submit(
            desk.port,
            CommandKind.ROLL_DAY,
            [price.instrument],
            trading_day=run.next_trading_day,
            reference_price_ticks=reference_price_ticks,
        )[0]
        if reply.kind == EventKind.DAY_ROLLED:
            return reply.sequence
        wait_for_intake(desk.database, reply.sequence)
        with desk.database.read() as session:
            instrument = session.get_one(Instrument, price.instrument)
        if instrument.trading_day >= run.next_trading_day:
            return reply.sequence
        if reply.code == Code.CONFLICT:
            # Opened again since the run closed it. Its trades since belong to the next day.
            _set_phase(desk, [price.instrument], Phase.CLOSED)
        elif reference_price_ticks != price.previous_price_ticks:
            # The limits around the closing price would not fit the engine's ladder.
            _LOGGER.error("reference_price_kept", symbol=instrument.symbol, code=reply.code)
            reference_price_ticks = price.previous_price_ticks
        else:
            break
    raise ClearingError(f"instrument {price.instrument} cannot be rolled")


def _set_phase(desk: Desk, instruments: Sequence[int], phase: Phase) -> int:
    """Set the phase; returns the sequence after which all of them have it."""
    if not instruments:
        return 0
    replies = _submit(desk.port, CommandKind.SET_PHASE, instruments, phase=phase)
    for reply in replies:
        if reply.kind != EventKind.PHASE_CHANGED:
            raise ClearingError(f"the engine refused a phase: {Code(reply.code).name}")
    return max(reply.sequence for reply in replies)


def _submit(
    port: EnginePort, kind: CommandKind, instruments: Sequence[int], **fields: int
) -> list[Reply]:
    commands = np.zeros(len(instruments), ADMIN_COMMAND)
    commands["kind"] = kind
    commands["instrument"] = instruments
    for name, value in fields.items():
        commands[name] = value
    return [
        Reply(*(int(events[name][0]) for name in Reply._fields))
        for events in port.submit(commands.view(COMMAND))
    ]
