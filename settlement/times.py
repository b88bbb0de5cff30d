"""Times as the public contract writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(time_ns: int) -> str:
    """ISO-8601, UTC, with microseconds: 2026-11-20T08:00:00.000000Z."""
    return moment(time_ns).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def nanoseconds(time: datetime) -> int:
    """Nanoseconds since the Unix epoch of a moment with a time zone."""
    return (time - _EPOCH) // timedelta(microseconds=1) * 1000


def moment(time_ns: int) -> datetime:
    """The time as a date and time in UTC."""
    return _EPOCH + timedelta(microseconds=time_ns // 1000)
