"""Trading days: every calendar day, but for the operator's exceptions."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from settlement.tables.trading import CalendarDay

_EPOCH = date(1970, 1, 1)
# A calendar that is closed for longer than this is a mistake.
_MAX_CLOSED_DAYS = 366


def day_number(day: date) -> int:
    """Days since 1970-01-01, as the engine counts trading days."""
    return (day - _EPOCH).days


def day_date(number: int) -> date:
    """The date of a trading day."""
    return _EPOCH + timedelta(days=number)


def next_trading_day(session: Session, day: int) -> int:
    """The first trading day after `day`."""
    query = select(CalendarDay.day).where(CalendarDay.day > day, CalendarDay.is_trading.is_(False))
    closed = set(session.scalars(query))
    for candidate in range(day + 1, day + 1 + _MAX_CLOSED_DAYS):
        if candidate not in closed:
            return candidate
    raise ValueError(f"the calendar has no trading day within a year of {day_date(day)}")
