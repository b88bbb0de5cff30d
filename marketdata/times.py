"""Nanoseconds since the Unix epoch as the text that clients read, and days as dates."""

from __future__ import annotations

from datetime import date, datetime, timedelta

_EPOCH = datetime(1970, 1, 1)  # UTC; without a zone it is written out three times as fast
_EPOCH_DAY = date(1970, 1, 1)


def format_time(time_ns: int) -> str:
    """ISO-8601 UTC with microseconds: "2026-11-20T01:30:00.000000Z"."""
    moment = _EPOCH + timedelta(microseconds=time_ns // 1_000)
    return moment.isoformat(timespec="microseconds") + "Z"


def format_day(trading_day: int) -> str:
    """A trading day, counted from 1970-01-01, as "2026-11-20"."""
    return (_EPOCH_DAY + timedelta(days=trading_day)).isoformat()
