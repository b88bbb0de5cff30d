"""Times and days, as numbers and as text."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from engine.times import day_date, day_number, format_day, format_time, nanoseconds, utc_moment


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_763_602_200_123_456_789, "2025-11-20T01:30:00.123456Z"),  # cut, not rounded
        (1_763_602_200_000_000_999, "2025-11-20T01:30:00.000000Z"),
    ],
)
def test_times_are_utc_with_microseconds(time_ns, text):
    """ISO-8601, always with six digits and a Z."""
    assert format_time(time_ns) == text


def test_a_moment_is_the_same_in_any_zone():
    """Nanoseconds count from the epoch, wherever the clock hangs."""
    beijing = datetime(2026, 11, 20, 8, tzinfo=timezone(timedelta(hours=8)))
    assert nanoseconds(beijing) == nanoseconds(datetime(2026, 11, 20, tzinfo=UTC))
    assert utc_moment(nanoseconds(beijing)) == beijing


def test_days_are_dates():
    """Days are counted from the Unix epoch and come back as dates."""
    assert [day_number(date(1970, 1, 1)), day_number(date(2026, 11, 20))] == [0, 20_777]
    assert day_date(20_777) == date(2026, 11, 20)
    assert [format_day(0), format_day(20_777)] == ["1970-01-01", "2026-11-20"]
