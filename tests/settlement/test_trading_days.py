"""The calendar: every day is a trading day unless the operator says otherwise."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from settlement import trading_days
from settlement.database import Database
from settlement.tables.trading import CalendarDay


def test_closed_days_are_passed_over(database: Database) -> None:
    """Exceptions in both directions; days that are open in the table are open."""

    def fill(session: Session) -> None:
        session.add_all(
            CalendarDay(day=day, is_trading=is_trading)
            for day, is_trading in ((11, False), (12, False), (13, True), (14, False))
        )

    database.write(fill).result()
    with database.read() as session:
        for day, expected in ((9, 10), (10, 13), (11, 13), (13, 15), (14, 15)):
            assert trading_days.next_trading_day(session, day) == expected


def test_a_calendar_without_end_is_a_mistake(database: Database) -> None:
    """A year without a trading day is not searched any further."""

    def fill(session: Session) -> None:
        session.add_all(CalendarDay(day=day, is_trading=False) for day in range(1, 400))

    database.write(fill).result()
    with database.read() as session, pytest.raises(ValueError, match="calendar"):
        trading_days.next_trading_day(session, 0)
