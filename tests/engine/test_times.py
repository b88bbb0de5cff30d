"""Times and days, as numbers and as text."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from engine.times import (
    day_date,
    day_number,
    format_day,
    format_time,
    nanoseconds,
    parse_time,
    utc_moment,
)


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


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("2025-11-20T01:30:00.123456Z", 1_763_602_200_123_456_000),
        ("2025-11-20T01:30:00.5+00:00", 1_763_602_200_500_000_000),
        ("2025-11-20T01:30:00Z", 1_763_602_200_000_000_000),
        ("2262-04-11T23:47:16.854775Z", 9_223_372_036_854_775_000),
    ],
)
def test_times_are_read_as_they_are_written(text, time_ns):
    """In UTC, to the microsecond at most."""
    assert parse_time(text) == time_ns


@pytest.mark.parametrize(
    "text",
    [
        *("", "2025-11-20", "2025-11-20T01:30:00", "2025-11-20T01:30:00+08:00", "20251120T013000Z"),
        *("2025-11-20 01:30:00Z", "2025-11-20T01:30:00.1234567Z", "2025-11-20T01:30:00.Z"),
        *("2025-02-30T01:30:00Z", "2025-11-20T25:30:00Z", "٢025-11-20T01:30:00Z", "1763602200"),
        *("1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2262-04-11T23:47:17Z", "now\n"),
    ],
)
def test_what_is_no_time_is_refused(text):
    """Other zones and other notations, days that do not exist, and what 64 bits cannot hold."""
    with pytest.raises(ValueError, match=r"time|day|hour"):
        parse_time(text)


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
