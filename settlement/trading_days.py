"""Trading days: every calendar day, but for the operator's exceptions."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.times import day_date
from settlement.tables.trading import CalendarDay

# A calendar that is closed for longer than this is a mistake.
_MAX_CLOSED_DAYS = 366


def next_trading_day(session: Session, day: int) -> int:
    """The first trading day after `day`."""
    query = select(CalendarDay.day).where(CalendarDay.day > day, CalendarDay.is_trading.is_(False))
    closed = set(session.scalars(query))
    for candidate in range(day + 1, day + 1 + _MAX_CLOSED_DAYS):
        if candidate not in closed:
            return candidate
    raise ValueError(f"the calendar has no trading day within a year of {day_date(day)}")
