"""Times and days as text."""

from __future__ import annotations

import pytest

from marketdata.times import format_day, format_time


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


def test_days_are_dates():
    """Counted from the first of January 1970."""
    assert [format_day(0), format_day(20_777)] == ["1970-01-01", "2026-11-20"]
