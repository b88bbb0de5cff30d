"""Who sets a market's phase: the calendar at its borders, and the operator over it.

The scheduler carries out each border once it is due, and remembers how far it is for each
instrument; an operator's phase takes the place of all borders before it, and a halt keeps the
calendar away until the operator resumes. What was missed while nobody was there is caught up from
the last close on. A border is carried out first and remembered afterwards: done twice it changes
nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import numpy as np
import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.codes import Code, CommandKind, EventKind, Phase
from engine.records import ADMIN_COMMAND, COMMAND
from engine.times import format_day
from settlement import calendar
from settlement.calendar import Border, Schedules
from settlement.database import Database
from settlement.identity import audit
from settlement.market_rules import BlockTradingRule, block_trading_rules
from settlement.ports import EnginePort
from settlement.tables.clearing import ClearingRun, ReconciliationBreak
from settlement.tables.market_rules import MarketPhase
from settlement.tables.trading import Instrument

_LOGGER = structlog.get_logger()
_SECOND_NS = 1_000_000_000
_FOREVER = 2**63 - 1


class Halt(NamedTuple):
    """An operator's halt of one instrument, which stands until he resumes."""

    reason: str
    halted_by: str
    time_ns: int


class Due(NamedTuple):
    instrument: int
    symbol: str
    border: Border
    block_trading: BlockTradingRule


def halts(session: Session) -> dict[int, Halt]:
    """The halts that stand, by instrument."""
    query = select(MarketPhase).where(MarketPhase.halted_time_ns.is_not(None))
    return {
        row.instrument: Halt(row.halt_reason or "", row.halted_by or "", row.halted_time_ns or 0)
        for row in session.scalars(query)
    }


# --- The operator's word; for Database.write ---


def record_phase(
    session: Session,
    instruments: Collection[int],
    phase: Phase,
    *,
    symbol: str | None,
    actor: str,
    reason: str,
    time_ns: int,
) -> None:
    """An operator sets the phase of one symbol, or of all; halted is a halt, others end it."""
    for number in instruments:
        row = _row(session, number)
        row.done_time_ns = max(row.done_time_ns, time_ns)
        row.resumes_time_ns = 0
        is_halt = phase is Phase.HALTED
        row.halt_reason, row.halted_by, row.halted_time_ns = (
            (reason, actor, time_ns) if is_halt else (None, None, None)
        )
    subject: dict[str, object] = {"symbol": symbol, "phase": phase.name.lower()}
    audit(session, actor, "phase_set", subject | ({"reason": reason} if reason else {}))


def record_resumption(
    session: Session,
    instruments: Collection[int],
    *,
    symbol: str | None,
    actor: str,
    time_ns: int,
) -> dict[int, Border]:
    """An operator ends halts; what each instrument is to do now, by its number.

    In continuous trading a call auction comes first, if the template has one after a halt.
    """
    schedules = calendar.load(session)
    rows = session.scalars(select(Instrument).where(Instrument.number.in_(instruments)))
    resumed: dict[int, Border] = {}
    for instrument in rows:
        row = _row(session, instrument.number)
        if row.halted_time_ns is None:
            continue
        border = _resumption(schedules, instrument, time_ns)
        row.done_time_ns = max(row.done_time_ns, time_ns)
        row.resumes_time_ns = border.ends_at_ns if border.time_ns == time_ns else 0
        row.halt_reason = row.halted_by = row.halted_time_ns = None
        resumed[instrument.number] = border
    if resumed:
        audit(session, actor, "trading_resumed", {"symbol": symbol})
    return resumed


def _resumption(schedules: Schedules, instrument: Instrument, now_ns: int) -> Border:
    _, template = schedules.template_of(instrument.symbol)
    current = schedules.calendar.current(template, now_ns)
    # Around the clock the operator alone moves the trading day on, and the market stays open.
    if template.sessions and not _is_its_day(schedules, instrument, current.day):
        return current._replace(phase=Phase.CLOSED)
    if current.phase is not Phase.CONTINUOUS or not template.resume_auction_seconds:
        return current
    ends_ns = now_ns + template.resume_auction_seconds * _SECOND_NS
    following = schedules.calendar.following(template, now_ns)
    if following is not None and following.time_ns <= ends_ns:
        ends_ns = following.time_ns
    return Border(current.day, now_ns, Phase.CALL_AUCTION, ends_ns, ends_ns)


def _row(session: Session, number: int) -> MarketPhase:
    row = session.get(MarketPhase, number)
    if row is None:
        row = MarketPhase(instrument=number, done_time_ns=0, resumes_time_ns=0)
        session.add(row)
    return row


def _is_its_day(schedules: Schedules, instrument: Instrument, day: int) -> bool:
    """Whether the instrument's trading day, which only the end of day moves on, is `day`.

    One that was begun on a day off, or became one, is the next day that trades.
    """
    _, template = schedules.template_of(instrument.symbol)
    return schedules.calendar.first_trading_day(template, instrument.trading_day) == day


# --- The calendar ---


def _settlement_in_the_way(session: Session) -> int:
    """From when on an operator has to have set a phase before the calendar goes on; 0: no need.

    A run at work closes the market and wants it closed; the breaks of the last run are to be
    looked at by somebody, who then opens the market himself.
    """
    run = session.scalar(select(ClearingRun).order_by(ClearingRun.trading_day.desc()).limit(1))
    if run is None:
        return 0
    if run.status != "completed":
        return _FOREVER
    found = select(ReconciliationBreak.break_id).where(ReconciliationBreak.run_id == run.run_id)
    return run.finished_time_ns if session.scalar(found.limit(1)) is not None else 0


class Scheduler:
    """Carries the calendar's borders out; in one process of a data folder."""

    def __init__(
        self, database: Database, port: EnginePort, time_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._database = database
        self._port = port
        self._time_ns = time_ns
        self._waiting: set[tuple[int, int]] = set()

    def step(self) -> int | None:
        """Carry out what is due; returns when the next border is, or None."""
        now_ns = self._time_ns()
        with self._database.read() as session:
            due, following_ns = self._plan(session, now_ns)
        for one in sorted(due, key=lambda each: (each.border.time_ns, each.instrument)):
            self._carry_out(one)
        return following_ns

    def _plan(self, session: Session, now_ns: int) -> tuple[list[Due], int | None]:
        schedules = calendar.load(session)
        rows = {row.instrument: row for row in session.scalars(select(MarketPhase))}
        settlement_ns = _settlement_in_the_way(session)
        block_trading_of = block_trading_rules(session)
        due: list[Due] = []
        following: list[int] = []
        for instrument in session.scalars(select(Instrument)):
            row = rows.get(instrument.number)
            if row is not None and row.halted_time_ns is not None:
                continue
            _, template = schedules.template_of(instrument.symbol)
            done_ns, resumes_ns = (row.done_time_ns, row.resumes_time_ns) if row else (0, 0)
            borders = schedules.calendar.missed(template, done_ns, now_ns)
            if 0 < resumes_ns <= now_ns and not borders:
                borders = [schedules.calendar.current(template, now_ns)]
                borders = [borders[0]._replace(time_ns=resumes_ns)]
            for border in borders:
                if settlement_ns > done_ns or self._waits(schedules, instrument, border):
                    break
                if _is_its_day(schedules, instrument, border.day):
                    rule = block_trading_of(instrument.symbol)
                    due.append(Due(instrument.number, instrument.symbol, border, rule))
            nearest = schedules.calendar.following(template, now_ns)
            following += [nearest.time_ns] if nearest is not None else []
            following += [resumes_ns] if resumes_ns > now_ns else []
        return due, min(following, default=None)

    def _waits(self, schedules: Schedules, instrument: Instrument, border: Border) -> bool:
        """Whether a day before the border's is not settled: the market does not open before."""
        _, template = schedules.template_of(instrument.symbol)
        first = schedules.calendar.first_trading_day(template, instrument.trading_day)
        if first >= border.day:
            return False
        if (instrument.number, border.day) not in self._waiting:
            self._waiting.add((instrument.number, border.day))
            _LOGGER.warning(
                "session_waits_for_settlement",
                symbol=instrument.symbol,
                trading_day=format_day(instrument.trading_day),
                session_day=format_day(border.day),
            )
        return True

    def _carry_out(self, due: Due) -> None:
        border = due.border
        set_phase(self._port, due.instrument, border)
        if border.is_window_open is not None:
            set_window(self._port, due.instrument, due.block_trading, border.is_window_open)
        _LOGGER.info("session_border", symbol=due.symbol, phase=border.phase.name.lower())

        def remember(session: Session) -> bool:
            row = _row(session, due.instrument)
            row.done_time_ns = max(row.done_time_ns, border.time_ns)
            if row.resumes_time_ns <= border.time_ns:
                row.resumes_time_ns = 0
            return row.halted_time_ns is not None

        if self._database.write(remember).result():
            # Halted by an operator while the border was on its way: the halt has the last word.
            set_phase(self._port, due.instrument, Border(border.day, 0, Phase.HALTED))


def set_phase(port: EnginePort, instrument: int, border: Border) -> None:
    """Have the engine set a phase; a refusal is in the log, for it would be the same again."""
    fields = {
        "phase": int(border.phase),
        "ends_at_ns": border.ends_at_ns,
        "cancel_until_ns": border.cancel_until_ns,
    }
    _submit(port, CommandKind.SET_PHASE, instrument, fields)


def set_window(port: EnginePort, instrument: int, rule: BlockTradingRule, is_open: bool) -> None:
    """Open or close the window for block trades."""
    fields = {
        "quantity_lots": rule.minimum_quantity,
        "block_limit_ppm": rule.price_limit_ppm,
        "is_open": int(is_open),
    }
    _submit(port, CommandKind.SET_BLOCK_RULES, instrument, fields)


def _submit(
    port: EnginePort, kind: CommandKind, instrument: int, fields: Mapping[str, int]
) -> None:
    command = np.zeros(1, ADMIN_COMMAND)
    command["kind"] = kind
    command["instrument"] = instrument
    for name, value in fields.items():
        command[name] = value
    [events] = port.submit(command.view(COMMAND))
    if events["kind"][0] == EventKind.COMMAND_REFUSED:
        code = Code(int(events["code"][0])).name
        _LOGGER.error("calendar_refused", kind=kind.name, instrument=instrument, code=code)
