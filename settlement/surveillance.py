"""Surveillance of a trading day: what the detectors find becomes alerts, each of them once.

A day is searched after it was settled, and whenever an operator asks. The search reads beside the
market; only its outcome is written. A finding that grew reopens its alert, even a closed one.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from engine.codes import OrderType, Reason
from engine.times import day_date, format_day, nanoseconds
from engine.units import NANOSECONDS_PER_SECOND, NEVER_NS
from settlement import market_rules
from settlement.database import Database
from settlement.errors import Refused
from settlement.identity import audit
from settlement.ledger import CHUNK
from settlement.linked_accounts import owners
from settlement.oversight_rules import SurveillanceRule
from settlement.surveillance_detectors import (
    CancelledOrder,
    Finding,
    OwnerOf,
    TradeFact,
    marking_the_close,
    spoofing,
    unusual_trades,
    wash_trades,
)
from settlement.tables.clearing import ClearingRun
from settlement.tables.oversight import Alert, SurveillanceRun
from settlement.tables.trading import Instrument, Order, Trade

STATES = ("open", "in_review", "closed")
_TRADE_COLUMNS = [getattr(Trade, name) for name in TradeFact._fields]
_DAY_NS = 86_400 * NANOSECONDS_PER_SECOND


class Outcome(NamedTuple):
    """One search: how many trades it looked at and how many findings there were, new ones apart."""

    trading_day: int
    is_final: bool
    trades: int
    findings: int
    raised: int


class _Day(NamedTuple):
    """A trading day's bounds; without its end (0) it still goes on."""

    number: int
    first_sequence: int
    last_sequence: int
    begins_ns: int
    ends_ns: int


def due_days(session: Session) -> list[int]:
    """Settled days behind the last one that was searched; where none was yet, the latest alone."""
    last = session.scalar(
        select(func.max(SurveillanceRun.trading_day)).where(SurveillanceRun.is_final)
    )
    query = select(ClearingRun.trading_day).where(ClearingRun.status == "completed")
    days = session.scalars(query.order_by(ClearingRun.trading_day)).all()
    return list(days[-1:]) if last is None else [day for day in days if day > last]


def search_settled(database: Database) -> list[Outcome]:
    """Search the days that are due, oldest first."""
    with database.read() as session:
        days = due_days(session)
    return [search(database, day) for day in days]


def search(database: Database, trading_day: int, *, actor: str = "system") -> Outcome:
    """Search a day, as far as it has come, and raise what was not raised before.

    Raises Refused `not_found` for a day of which nothing is recorded.
    """
    time_ns = time.time_ns()
    found: list[tuple[Instrument, Finding, SurveillanceRule]] = []
    trades = 0
    with database.read() as session:
        day = _day(session, trading_day)
        owner_of, rules = owners(session), market_rules.surveillance_rules(session)
        closes, cancelled = market_rules.templates(session), _cancelled(session, day)
        for instrument in session.scalars(select(Instrument).order_by(Instrument.number)):
            rule = rules(instrument.symbol)
            facts = _trades(session, instrument.number, day)
            trades += len(facts)
            if facts:
                close_ns = _close_ns(closes(instrument.symbol)[1], day, time_ns)
                orders = cancelled.get(instrument.number, [])
                findings = _findings(
                    session, instrument.number, day, facts, orders, owner_of, rule, close_ns
                )
                found += [(instrument, finding, rule) for finding in findings]
    is_final = day.ends_ns > 0

    def write(session: Session) -> int:
        raised = sum(_raise(session, trading_day, *each, time_ns) for each in found)
        session.merge(
            SurveillanceRun(
                trading_day=trading_day,
                is_final=is_final,
                trades=trades,
                findings=len(found),
                time_ns=time_ns,
            )
        )
        if actor != "system":
            audit(session, actor, "surveillance_run", {"date": format_day(trading_day)})
        return raised

    raised = database.write(write).result()
    return Outcome(trading_day, is_final, trades, len(found), raised)


def set_state(
    session: Session, number: int, state: str, reason: str | None, *, actor: str
) -> Alert:
    """Take an alert into review, close it with a reason, or open it again. Raises Refused."""
    alert = find(session, number)
    if (state == "closed") != (reason is not None):
        raise Refused(
            "invalid_request",
            "An alert is closed with a reason, and only then is one given.",
            field="reason",
            detail_zh="关闭预警须说明理由；其他状态不填写理由。",
        )
    if alert.state == state:
        raise Refused(
            "conflict", f"The alert is {state} already.", detail_zh="该预警已处于此状态。"
        )
    before, alert.state, alert.reason = alert.state, state, reason
    alert.changed_by, alert.changed_time_ns = actor, time.time_ns()
    subject = {"alert": number, "from": before, "to": state, "reason": reason}
    audit(session, actor, "alert_changed", subject)
    return alert


def find(session: Session, number: int) -> Alert:
    """The alert of this number. Raises Refused `not_found`."""
    alert = session.get(Alert, number)
    if alert is None:
        raise Refused("not_found", "There is no such alert.", detail_zh="没有该预警。")
    return alert


def _raise(  # noqa: PLR0917 - an alert's parts
    session: Session,
    trading_day: int,
    instrument: Instrument,
    finding: Finding,
    rule: SurveillanceRule,
    time_ns: int,
) -> bool:
    """A new alert, or its older form brought up to date: whether it is new."""
    evidence = {
        "accounts": list(finding.accounts),
        "trade_ids": list(finding.trade_ids),
        "order_ids": list(finding.order_ids),
        "figures": finding.figures,
    }
    alert = session.scalar(
        select(Alert).where(
            Alert.kind == finding.kind,
            Alert.instrument == instrument.number,
            Alert.trading_day == trading_day,
            Alert.subject == finding.subject,
        )
    )
    if alert is None:
        alert = Alert(
            kind=finding.kind,
            instrument=instrument.number,
            trading_day=trading_day,
            subject=finding.subject,
            state="open",
            raised_time_ns=time_ns,
        )
        session.add(alert)
    elif {name: alert.evidence[name] for name in evidence} == evidence:
        return False
    elif alert.state == "closed":
        subject = {"alert": alert.number, "from": "closed", "to": "open", "reason": alert.reason}
        audit(session, "surveillance", "alert_changed", subject)
        alert.state, alert.reason = "open", None
    is_new = alert.number is None
    alert.first_time_ns, alert.last_time_ns = finding.first_time_ns, finding.last_time_ns
    alert.evidence = evidence | {"rule": rule.model_dump()}
    alert.changed_time_ns = time_ns
    session.flush()
    return is_new


# --- What is recorded of a day ---


def _day(session: Session, trading_day: int) -> _Day:
    run = session.scalar(select(ClearingRun).where(ClearingRun.trading_day == trading_day))
    before = session.scalar(
        select(ClearingRun)
        .where(ClearingRun.trading_day < trading_day)
        .order_by(ClearingRun.trading_day.desc())
        .limit(1)
    )
    is_over = run is not None and run.closing_sequence > 0
    is_present = session.scalar(
        select(Instrument.number).where(Instrument.trading_day == trading_day).limit(1)
    )
    if not is_over and is_present is None:
        raise Refused(
            "not_found",
            "Nothing is recorded of this day.",
            field="date",
            detail_zh="该日没有交易记录。",
        )
    return _Day(
        number=trading_day,
        first_sequence=before.closing_sequence + 1 if before else 1,
        last_sequence=run.closing_sequence if run and is_over else NEVER_NS,
        begins_ns=before.started_time_ns if before else 0,
        ends_ns=run.started_time_ns if run and is_over else 0,
    )


def _close_ns(template: market_rules.Template, day: _Day, time_ns: int) -> int:
    """When the day's trading ended; 0 as long as it has not.

    A market without sessions ends with the run that settles the day.
    """
    if not template.sessions:
        return day.ends_ns
    ends = template.sessions[-1].ends
    local = datetime.combine(day_date(day.number), ends, market_rules.shipped().zone)
    close_ns = nanoseconds(local.astimezone(UTC))
    return close_ns if close_ns <= time_ns else 0


def _trades(session: Session, instrument: int, day: _Day) -> list[TradeFact]:
    query = select(*_TRADE_COLUMNS).where(
        Trade.instrument == instrument,
        Trade.trading_day == day.number,
        Trade.sequence >= day.first_sequence,
        Trade.sequence <= day.last_sequence,
    )
    return [TradeFact(*row) for row in session.execute(query.order_by(Trade.trade_id))]


def _trades_before(session: Session, instrument: int, day: _Day, count: int) -> list[TradeFact]:
    """The last trades before the day, oldest first."""
    query = select(*_TRADE_COLUMNS).where(
        Trade.instrument == instrument, Trade.sequence < day.first_sequence
    )
    newest = query.order_by(Trade.sequence.desc(), Trade.trade_id.desc()).limit(count)
    return [TradeFact(*row) for row in session.execute(newest)][::-1]


def _findings(  # noqa: PLR0917 - what the detectors look at
    session: Session,
    instrument: int,
    day: _Day,
    trades: Sequence[TradeFact],
    cancelled: Sequence[CancelledOrder],
    owner_of: OwnerOf,
    rule: SurveillanceRule,
    close_ns: int,
) -> Iterator[Finding]:
    earlier = _trades_before(session, instrument, day, rule.unusual_trades.sample)
    yield from wash_trades(trades, owner_of, rule.wash_trades)
    entered = _entered_lots(session, trades) if cancelled else {}
    yield from spoofing(cancelled, trades, entered, owner_of, rule.spoofing)
    if close_ns:
        priced = [trade for trade in earlier if trade.makes_prices]
        before_ticks = priced[-1].price_ticks if priced else trades[0].price_ticks
        yield from marking_the_close(
            trades, owner_of, rule.marking_the_close, close_ns, before_ticks
        )
    yield from unusual_trades(earlier, trades, rule.unusual_trades)


def _cancelled(session: Session, day: _Day) -> dict[int, list[CancelledOrder]]:
    """The orders that were taken back untouched within a day of their entry, by instrument."""
    query = select(
        Order.instrument,
        Order.order_id,
        Order.account,
        Order.side,
        Order.entered_price_ticks,
        Order.entered_quantity_lots,
        Order.created_time_ns,
        Order.updated_time_ns,
    ).where(
        Order.order_id >= _first_order(session, day.begins_ns - _DAY_NS),
        Order.status == "cancelled",
        Order.filled_lots == 0,
        Order.reason.in_((Reason.REQUESTED, Reason.MASS_CANCELLED, Reason.QUOTE_WITHDRAWN)),
        Order.order_type.in_((OrderType.LIMIT, OrderType.MARKET)),
        Order.updated_time_ns - Order.created_time_ns <= _DAY_NS,
        Order.updated_time_ns >= day.begins_ns,
        Order.updated_time_ns <= (day.ends_ns or NEVER_NS),
    )
    found: defaultdict[int, list[CancelledOrder]] = defaultdict(list)
    for instrument, *order in session.execute(query):
        found[instrument].append(CancelledOrder(*order))
    return found


def _entered_lots(session: Session, trades: Sequence[TradeFact]) -> dict[int, int]:
    ids = sorted({order_id for trade in trades for _, order_id, _ in trade.sides()})
    found: dict[int, int] = {}
    for start in range(0, len(ids), CHUNK):
        query = select(Order.order_id, Order.entered_quantity_lots)
        chunk = ids[start : start + CHUNK]
        found |= dict(session.execute(query.where(Order.order_id.in_(chunk))).all())
    return found


def _first_order(session: Session, time_ns: int) -> int:
    """The first id of an order of `time_ns` or later: ids grow with time, so it is bisected."""
    low, high = 0, NEVER_NS
    while low < high:
        middle = (low + high) // 2
        query = select(Order.order_id, Order.created_time_ns).where(Order.order_id >= middle)
        row = session.execute(query.order_by(Order.order_id).limit(1)).first()
        if row is None or row[1] >= time_ns:
            high = middle
        else:
            low = row[0] + 1
    return low
