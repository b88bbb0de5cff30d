"""The trading calendar: which days trade, and when a market passes from one phase to the next.

Selects and arithmetic only. A border is the beginning of a session, the beginning or end of the
window for block trades, or the close behind the last session. Local time is the calendar's,
everything else nanoseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.codes import Phase
from engine.times import day_date, day_number, nanoseconds, utc_moment
from settlement.market_rules import (
    DayRule,
    Template,
    TradingSession,
    day_exceptions,
    shipped,
    templates,
)
from settlement.tables.trading import Instrument

# A calendar that is closed for longer than this is a mistake.
MAX_CLOSED_DAYS = 366
_FIRST_WEEKEND_DAY = 5
_SECOND_NS = 1_000_000_000


class Border(NamedTuple):
    """From `time_ns` on the market is in `phase`.

    The two times after it are a call auction's. `is_window_open` is the window for block trades; an
    operator's phase leaves it as it is (None).
    """

    day: int
    time_ns: int
    phase: Phase
    ends_at_ns: int = 0
    cancel_until_ns: int = 0
    is_window_open: bool | None = None


class DayOff(NamedTuple):
    """Why a day does not trade, in English and Chinese."""

    reason: str
    reason_zh: str


class Calendar:
    """The shipped holidays and the operators' exceptions, for any template."""

    def __init__(self, exceptions: Mapping[int, DayRule]) -> None:
        self._exceptions = exceptions
        self._rules = shipped()

    def day_off(self, template: Template, day: int) -> DayOff | None:
        """Why the template does not trade on that day; None: it does."""
        rule = self._exceptions.get(day)
        if rule is not None:
            return None if rule.is_trading else DayOff(rule.note, rule.note)
        if template.trades == "every_day":
            return None
        found = day_date(day)
        holiday = self._rules.holiday(found)
        if holiday is not None:
            return DayOff(holiday.name, holiday.name_zh)
        if found.weekday() >= _FIRST_WEEKEND_DAY:
            return DayOff("Weekend", "周末")
        return None

    def first_trading_day(self, template: Template, day: int) -> int:
        """The first trading day from `day` on. Raises ValueError if there is none for a year."""
        for candidate in range(day, day + MAX_CLOSED_DAYS):
            if self.day_off(template, candidate) is None:
                return candidate
        raise ValueError(f"the calendar has no trading day within a year of {day_date(day)}")

    def local_day(self, time_ns: int) -> int:
        """The date in the calendar's zone."""
        return day_number(utc_moment(time_ns).astimezone(self._rules.zone).date())

    def time_ns(self, day: int, local: time) -> int:
        """A local time of a day."""
        return nanoseconds(datetime.combine(day_date(day), local, self._rules.zone))

    def midnight_ns(self, day: int) -> int:
        """The beginning of a day."""
        return self.time_ns(day, time())

    def borders(self, template: Template, day: int) -> list[Border]:
        """A day's borders; none on a day off, and none around the clock."""
        if not template.sessions or self.day_off(template, day) is not None:
            return []
        window = template.block_window
        closes = template.sessions[-1].ends
        times = {one.starts for one in template.sessions}
        if window is not None:
            times |= {window.starts, window.ends} - {closes}
        made = []
        for starts in sorted(times):
            one = next(each for each in template.sessions if each.starts <= starts < each.ends)
            is_open = window is not None and window.starts <= starts < window.ends
            time_ns, phase = self.time_ns(day, starts), Phase[one.phase.upper()]
            made.append(Border(day, time_ns, phase, *self.auction_times(one, day), is_open))
        close_ns = self.time_ns(day, closes)
        return [*made, Border(day, close_ns, Phase.CLOSED, is_window_open=False)]

    def auction_times(self, one: TradingSession, day: int) -> tuple[int, int]:
        """When a call auction ends, and until when orders can be taken back; 0 for other phases."""
        if one.phase != "call_auction":
            return 0, 0
        ends_ns = self.time_ns(day, one.ends)
        return ends_ns, ends_ns - one.no_cancel_seconds * _SECOND_NS

    def missed(self, template: Template, after_ns: int, now_ns: int) -> list[Border]:
        """The borders after `after_ns` up to now, oldest first, from the last close on.

        What lies before a close has no effect behind it.
        """
        found: list[Border] = []
        if not template.sessions:
            return found
        today = self.local_day(now_ns)
        first = max(self.local_day(after_ns), today - MAX_CLOSED_DAYS)
        for day in range(today, first - 1, -1):
            for border in reversed(self.borders(template, day)):
                if after_ns < border.time_ns <= now_ns:
                    found.append(border)
                    if border.phase is Phase.CLOSED:
                        return found[::-1]
        return found[::-1]

    def current(self, template: Template, now_ns: int) -> Border:
        """In which phase the market should be now, since when."""
        today = self.local_day(now_ns)
        closed = Border(today, self.midnight_ns(today), Phase.CLOSED)
        if not template.sessions:
            is_open = self.day_off(template, today) is None
            return closed._replace(phase=Phase.CONTINUOUS) if is_open else closed
        past = [one for one in self.borders(template, today) if one.time_ns <= now_ns]
        return past[-1] if past else closed

    def following(self, template: Template, now_ns: int) -> Border | None:
        """The next border; none around the clock."""
        if not template.sessions:
            return None
        today = self.local_day(now_ns)
        for day in range(today, today + MAX_CLOSED_DAYS):
            for border in self.borders(template, day):
                if border.time_ns > now_ns:
                    return border
        return None


class Schedules(NamedTuple):
    """The calendar, and who follows which template."""

    calendar: Calendar
    template_of: Callable[[str], tuple[str, Template]]


def load(session: Session) -> Schedules:
    """The calendar as it is in force."""
    return Schedules(Calendar(day_exceptions(session)), templates(session))


def next_trading_day(session: Session, day: int) -> int:
    """The first day after `day` on which any instrument trades: all share the trading day."""
    calendar, template_of = load(session)
    symbols = list(session.scalars(select(Instrument.symbol))) or [""]
    in_use = dict(template_of(symbol) for symbol in symbols)
    return min(calendar.first_trading_day(each, day + 1) for each in in_use.values())


def parse_day(text: str) -> int:
    """A date as written in a rule's key."""
    return day_number(date.fromisoformat(text))
