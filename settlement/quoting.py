"""Market makers' obligations: how long their two-sided quotes stood, how wide and how deep.

Measured from the engine's events, in the transaction that takes them in, so that a restart neither
loses nor repeats a nanosecond. What counts is continuous trading: the time in which both sides of
the account's quote (orders with the flag QUOTE) stood with the quantity that the rule asks for and
a spread within its bounds. Between two events nothing changes, so each interval counts whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from engine.codes import Phase, Side
from engine.units import ONE_MILLION
from settlement.market_rules import QuotingRule, quoting_rules
from settlement.tables.identity import User
from settlement.tables.market_rules import QuotingDay, QuotingTime
from settlement.tables.trading import Instrument

_SECOND_NS = 1_000_000_000
Row = Mapping[str, Any]


def fulfils(day: QuotingDay) -> bool:
    """Whether the quote as it stands is one that the rule counts."""
    if min(day.bid_lots, day.ask_lots) < day.minimum_lots:
        return False
    spread_ticks = day.ask_price_ticks - day.bid_price_ticks
    if day.maximum_spread_ticks and spread_ticks > day.maximum_spread_ticks:
        return False
    doubled_middle_ticks = day.ask_price_ticks + day.bid_price_ticks
    return (
        not day.maximum_spread_ppm
        or 2 * ONE_MILLION * spread_ticks <= day.maximum_spread_ppm * doubled_middle_ticks
    )


class Quoting:
    """The days that a batch of events touches, followed event by event."""

    def __init__(
        self,
        times: Iterable[QuotingTime],
        days: Iterable[QuotingDay],
        rule_of: Callable[[str], QuotingRule],
        add: Callable[[Any], None],
    ) -> None:
        self._times = {time.instrument: time for time in times}
        self._days: dict[int, dict[int, QuotingDay]] = {}
        for day in days:
            self._days.setdefault(day.instrument, {})[day.account] = day
        self._rule_of = rule_of
        self._add = add

    def set_phase(self, instrument: Row, phase: int, time_ns: int) -> None:
        """The instrument passes into another phase."""
        time = self._time(instrument, time_ns)
        for day in self._days.get(instrument["number"], {}).values():
            _advance(day, time.is_continuous, time_ns)
        time.continuous_ns += (time_ns - time.time_ns) * time.is_continuous
        time.time_ns = time_ns
        time.is_continuous = phase == Phase.CONTINUOUS

    def roll_day(self, instrument: Row, time_ns: int) -> None:
        """The instrument's next trading day begins: what was measured stays as it is."""
        self.set_phase(instrument, Phase.CLOSED, time_ns)
        del self._times[instrument["number"]]
        self._days.pop(instrument["number"], None)

    def set_side(self, instrument: Row, order: Row, time_ns: int) -> None:
        """An order of a quote stands as `order` says now; one that is closed has no lots."""
        time = self._time(instrument, time_ns)
        day = self._day(instrument, order["account"], time_ns)
        _advance(day, time.is_continuous, time_ns)
        if order["side"] == Side.BUY:
            day.bid_price_ticks, day.bid_lots = order["price_ticks"], order["remaining_lots"]
        else:
            day.ask_price_ticks, day.ask_lots = order["price_ticks"], order["remaining_lots"]

    def _time(self, instrument: Row, time_ns: int) -> QuotingTime:
        number = instrument["number"]
        if number not in self._times:
            self._times[number] = QuotingTime(
                instrument=number,
                trading_day=instrument["trading_day"],
                time_ns=time_ns,
                is_continuous=instrument["phase"] == Phase.CONTINUOUS,
                continuous_ns=0,
            )
            self._add(self._times[number])
        return self._times[number]

    def _day(self, instrument: Row, account: int, time_ns: int) -> QuotingDay:
        days = self._days.setdefault(instrument["number"], {})
        if account not in days:
            rule = self._rule_of(instrument["symbol"])
            days[account] = _new_day(rule, account, instrument, time_ns)
            self._add(days[account])
        return days[account]


def load(session: Session, numbers: Collection[int]) -> Quoting:
    """The present days of these instruments; the session keeps what changes in them."""
    rules: list[Callable[[str], QuotingRule]] = []

    def rule_of(symbol: str) -> QuotingRule:
        if not rules:
            rules.append(quoting_rules(session))
        return rules[0](symbol)

    return Quoting(
        session.scalars(_present(QuotingTime).where(Instrument.number.in_(numbers))),
        session.scalars(_present(QuotingDay).where(Instrument.number.in_(numbers))),
        rule_of,
        session.add,
    )


def _present(table: type[Any]) -> Any:
    """The rows of a table that belong to their instruments' present trading days."""
    is_present = and_(
        table.instrument == Instrument.number, table.trading_day == Instrument.trading_day
    )
    return select(table).join(Instrument, is_present)


def _new_day(rule: QuotingRule, account: int, instrument: Row, time_ns: int) -> QuotingDay:
    return QuotingDay(
        instrument=instrument["number"],
        trading_day=instrument["trading_day"],
        account=account,
        bid_price_ticks=0,
        bid_lots=0,
        ask_price_ticks=0,
        ask_lots=0,
        time_ns=time_ns,
        quoted_ns=0,
        spread_tick_seconds=0,
        spread_tick_ns=0,
        minimum_share_ppm=rule.minimum_share_ppm,
        maximum_spread_ticks=rule.maximum_spread_ticks,
        maximum_spread_ppm=rule.maximum_spread_ppm,
        minimum_lots=rule.minimum_quantity,
    )


def _advance(day: QuotingDay, is_continuous: bool, time_ns: int) -> None:
    """Count the time since the last change in, if it counts."""
    if is_continuous and fulfils(day):
        interval_ns = time_ns - day.time_ns
        day.quoted_ns += interval_ns
        spread_ticks = day.ask_price_ticks - day.bid_price_ticks
        seconds, rest = divmod(day.spread_tick_ns + spread_ticks * interval_ns, _SECOND_NS)
        day.spread_tick_seconds += seconds
        day.spread_tick_ns = rest
    day.time_ns = time_ns


# --- What came of it ---


class Figures(NamedTuple):
    """One account in one instrument on one day; the spread is an average over the quoted time."""

    account: int
    symbol: str
    tick_fen: int
    trading_day: int
    is_over: bool
    continuous_ns: int
    quoted_ns: int
    average_spread_ticks: Fraction | None
    rule: QuotingRule

    @property
    def share_ppm(self) -> int | None:
        """The quoted share, rounded down; none before any continuous trading."""
        return self.quoted_ns * ONE_MILLION // self.continuous_ns if self.continuous_ns else None

    @property
    def is_met(self) -> bool | None:
        """Whether the share is reached, exactly."""
        if not self.continuous_ns:
            return None
        return self.quoted_ns * ONE_MILLION >= self.rule.minimum_share_ppm * self.continuous_ns


def market_makers(session: Session) -> list[int]:
    """The accounts that have a user in the role of market maker."""
    users = session.scalars(select(User).order_by(User.account_number))
    return sorted({one.account_number for one in users if "market_maker" in one.roles.split()})


def figures(
    session: Session, accounts: Iterable[int], trading_day: int | None, now_ns: int
) -> list[Figures]:
    """The figures of these accounts in every instrument, of one day or else of the present one.

    Of a present day they are those as of `now_ns`. A past day without continuous trading is absent.
    """
    rule_of = quoting_rules(session)
    found: list[Figures] = []
    wanted = list(accounts)
    for instrument in session.scalars(select(Instrument).order_by(Instrument.number)):
        on = instrument.trading_day if trading_day is None else trading_day
        time = session.get(QuotingTime, (instrument.number, on))
        is_over = on != instrument.trading_day
        if time is None and is_over:
            continue
        continuous_ns, elapsed_ns = 0, 0
        if time is not None:
            is_running = time.is_continuous and not is_over
            elapsed_ns = now_ns if is_running else 0
            continuous_ns = time.continuous_ns + max(elapsed_ns - time.time_ns, 0)
        for account in wanted:
            day = session.get(QuotingDay, (instrument.number, on, account))
            if day is None:
                rule = rule_of(instrument.symbol)
                day = _new_day(rule, account, vars(instrument) | {"trading_day": on}, now_ns)
            _advance(day, elapsed_ns > day.time_ns, elapsed_ns)
            found.append(_figures(day, instrument, is_over, continuous_ns))
    return found


def _figures(day: QuotingDay, instrument: Instrument, is_over: bool, continuous_ns: int) -> Figures:
    spread = Fraction(day.spread_tick_seconds * _SECOND_NS + day.spread_tick_ns)
    return Figures(
        account=day.account,
        symbol=instrument.symbol,
        tick_fen=instrument.tick_fen,
        trading_day=day.trading_day,
        is_over=is_over,
        continuous_ns=continuous_ns,
        quoted_ns=day.quoted_ns,
        average_spread_ticks=spread / day.quoted_ns if day.quoted_ns else None,
        rule=QuotingRule(
            minimum_share_ppm=day.minimum_share_ppm,
            maximum_spread_ticks=day.maximum_spread_ticks,
            maximum_spread_ppm=day.maximum_spread_ppm,
            minimum_quantity=day.minimum_lots,
            source="",
        ),
    )
