"""Times as the engine counts them, and as people read them.

Inside, a time is nanoseconds since the Unix epoch and a trading day is days since 1970-01-01.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BARE_EPOCH = datetime(1970, 1, 1)  # UTC; without a zone it is written out three times as fast
_EPOCH_DAY = date(1970, 1, 1)


def format_time(time_ns: int) -> str:
    """ISO-8601 UTC with microseconds: "2026-11-20T01:30:00.000000Z"."""
    moment = _BARE_EPOCH + timedelta(microseconds=time_ns // 1_000)
    return moment.isoformat(timespec="microseconds") + "Z"


def nanoseconds(moment: datetime) -> int:
    """Nanoseconds since the Unix epoch of a moment with a time zone."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def utc_moment(time_ns: int) -> datetime:
    """The time as a date and time in UTC, to the microsecond."""
    return _EPOCH + timedelta(microseconds=time_ns // 1_000)


def day_number(day: date) -> int:
    """A date as a trading day."""
    return (day - _EPOCH_DAY).days


def day_date(trading_day: int) -> date:
    """A trading day as a date."""
    return _EPOCH_DAY + timedelta(days=trading_day)


def format_day(trading_day: int) -> str:
    """A trading day as "2026-11-20"."""
    return day_date(trading_day).isoformat()
