"""Times as the engine counts them, and as people read them.

Inside, a time is nanoseconds since the Unix epoch and a trading day is days since 1970-01-01.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BARE_EPOCH = datetime(1970, 1, 1)  # UTC; without a zone it is written out three times as fast
_EPOCH_DAY = date(1970, 1, 1)
_LAST_TIME_NS = 2**63 - 1  # in the year 2262: later ones do not fit the records
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)", re.ASCII)


def format_time(time_ns: int) -> str:
    """ISO-8601 UTC with microseconds: "2026-11-20T01:30:00.000000Z"."""
    moment = _BARE_EPOCH + timedelta(microseconds=time_ns // 1_000)
    return moment.isoformat(timespec="microseconds") + "Z"


def parse_time(text: str) -> int:
    """Nanoseconds since the Unix epoch of an ISO-8601 time in UTC, after 1970 and before 2262.

    Raises ValueError.
    """
    if _TIME.fullmatch(text) is None:
        raise ValueError("a time is written as 2026-11-20T01:30:00.000000Z")
    time_ns = nanoseconds(datetime.fromisoformat(_six_digits(text)))
    if not 0 < time_ns <= _LAST_TIME_NS:
        raise ValueError("the time is out of range")
    return time_ns


def _six_digits(text: str) -> str:
    """The time with a fraction that every Python reads: three or six digits."""
    seconds, _, fraction = text.removesuffix("Z").removesuffix("+00:00").partition(".")
    return f"{seconds}.{fraction:0<6}+00:00"


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
