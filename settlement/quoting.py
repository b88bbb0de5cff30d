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

from sqlalchemy import Table, and_, bindparam, insert, select, update
from sqlalchemy.orm import Session

from engine.codes import Phase, Side
from engine.units import ONE_MILLION
from settlement.market_rules import QuotingRule, quoting_rules
from settlement.tables.identity import User
from settlement.tables.market_rules import QuotingDay, QuotingTime
from settlement.tables.trading import Instrument

_SECOND_NS = 1_000_000_000
_TIMES: Table = QuotingTime.__table__  # type: ignore[assignment]
_DAYS: Table = QuotingDay.__table__  # type: ignore[assignment]
Row = dict[str, Any]


def _present(table: Table) -> Any:
    """The rows of the present trading days of some instruments."""
    is_present = and_(
        table.c.instrument == Instrument.number, table.c.trading_day == Instrument.trading_day
    )
    wanted = Instrument.number.in_(bindparam("numbers", expanding=True))
    return select(table).join(Instrument, is_present).where(wanted)


def _update(table: Table) -> Any:
    """All columns of a row by its primary key."""
    keys = [column.name for column in table.primary_key]
    others = [column.name for column in table.columns if column.name not in keys]
    return (
        update(table)
        .where(and_(*(table.c[name] == bindparam(f"row_{name}") for name in keys)))
        .values({name: bindparam(f"row_{name}") for name in others})
    )


# Made once: putting a statement together takes longer than carrying it out.
_PRESENT = {table: _present(table) for table in (_TIMES, _DAYS)}
_UPDATE = {table: _update(table) for table in (_TIMES, _DAYS)}


def fulfils(day: Row) -> bool:
    """Whether the quote as it stands is one that the rule counts."""
    if min(day["bid_lots"], day["ask_lots"]) < day["minimum_lots"]:
        return False
    spread_ticks = day["ask_price_ticks"] - day["bid_price_ticks"]
    if day["maximum_spread_ticks"] and spread_ticks > day["maximum_spread_ticks"]:
        return False
    doubled_middle_ticks = day["ask_price_ticks"] + day["bid_price_ticks"]
    maximum_spread_ppm: int = day["maximum_spread_ppm"]
    return (
        not maximum_spread_ppm
        or 2 * ONE_MILLION * spread_ticks <= maximum_spread_ppm * doubled_middle_ticks
    )


class Quoting:
    """The present days of some instruments, followed event by event within one transaction.

    They are read when the first event asks for them: most batches have none that does.
    """

    def __init__(self, session: Session, numbers: Collection[int]) -> None:
        self._session = session
        self._numbers = numbers
        self._rule_of: Callable[[str], QuotingRule] | None = None
        self._is_read = False
        # By instrument, and by instrument and account.
        self._times: dict[int, Row] = {}
        self._days: dict[int, dict[int, Row]] = {}
        # What is in the tables, and every row that the batch has or had in hand.
        self._stored: set[int] = set()
        self._all: list[tuple[Table, Row]] = []

    def set_phase(self, instrument: Mapping[str, Any], phase: int, time_ns: int) -> None:
        """The instrument passes into another phase."""
        time = self._time(instrument, time_ns)
        for day in self._days.get(instrument["number"], {}).values():
            _advance(day, time["is_continuous"], time_ns)
        time["continuous_ns"] += (time_ns - time["time_ns"]) * time["is_continuous"]
        time["time_ns"] = time_ns
        time["is_continuous"] = phase == Phase.CONTINUOUS

    def roll_day(self, instrument: Mapping[str, Any], time_ns: int) -> None:
        """The instrument's next trading day begins: what was measured stays as it is."""
        self.set_phase(instrument, Phase.CLOSED, time_ns)
        del self._times[instrument["number"]]
        self._days.pop(instrument["number"], None)

    def set_side(self, instrument: Mapping[str, Any], order: Row, time_ns: int) -> None:
        """An order of a quote stands as `order` says now; one that is closed has no lots."""
        time = self._time(instrument, time_ns)
        day = self._day(instrument, order["account"], time_ns)
        _advance(day, time["is_continuous"], time_ns)
        side = "bid" if order["side"] == Side.BUY else "ask"
        day[f"{side}_price_ticks"] = order["price_ticks"]
        day[f"{side}_lots"] = order["remaining_lots"]

    def save(self) -> None:
        """Write what was followed, into the transaction of the batch."""
        for table in (_TIMES, _DAYS):
            rows = [row for each, row in self._all if each is table]
            new = [row for row in rows if id(row) not in self._stored]
            changed = [row for row in rows if id(row) in self._stored]
            if new:
                self._session.connection().execute(insert(table), new)
            if changed:
                bound = [_bound(row) for row in changed]
                self._session.connection().execute(_UPDATE[table], bound)

    def _read(self) -> None:
        if self._is_read:
            return
        self._is_read = True
        for table in (_TIMES, _DAYS):
            found_rows = self._session.execute(_PRESENT[table], {"numbers": self._numbers})
            for found in found_rows.mappings():
                row = dict(found)
                self._stored.add(id(row))
                self._keep(table, row)

    def _keep(self, table: Table, row: Row) -> Row:
        self._all.append((table, row))
        if table is _TIMES:
            self._times[row["instrument"]] = row
        else:
            self._days.setdefault(row["instrument"], {})[row["account"]] = row
        return row

    def _time(self, instrument: Mapping[str, Any], time_ns: int) -> Row:
        self._read()
        found = self._times.get(instrument["number"])
        if found is not None:
            return found
        made = {
            "instrument": instrument["number"],
            "trading_day": instrument["trading_day"],
            "time_ns": time_ns,
            "is_continuous": instrument["phase"] == Phase.CONTINUOUS,
            "continuous_ns": 0,
        }
        return self._keep(_TIMES, made)

    def _day(self, instrument: Mapping[str, Any], account: int, time_ns: int) -> Row:
        found = self._days.get(instrument["number"], {}).get(account)
        if found is not None:
            return found
        if self._rule_of is None:
            self._rule_of = quoting_rules(self._session)
        rule = self._rule_of(instrument["symbol"])
        number, trading_day = instrument["number"], instrument["trading_day"]
        return self._keep(_DAYS, _new_day(rule, account, number, trading_day, time_ns))


def _bound(row: Row) -> Row:
    return {f"row_{name}": value for name, value in row.items()}


def _new_day(
    rule: QuotingRule, account: int, instrument: int, trading_day: int, time_ns: int
) -> Row:
    nothing = (
        *("bid_price_ticks", "bid_lots", "ask_price_ticks", "ask_lots"),
        *("quoted_ns", "spread_tick_seconds", "spread_tick_ns"),
    )
    return dict.fromkeys(nothing, 0) | {
        "instrument": instrument,
        "trading_day": trading_day,
        "account": account,
        "time_ns": time_ns,
        "minimum_share_ppm": rule.minimum_share_ppm,
        "maximum_spread_ticks": rule.maximum_spread_ticks,
        "maximum_spread_ppm": rule.maximum_spread_ppm,
        "minimum_lots": rule.minimum_quantity,
    }


def _advance(day: Row, is_continuous: bool, time_ns: int) -> None:
    """Count the time since the last change in, if it counts."""
    if is_continuous and fulfils(day):
        interval_ns = time_ns - day["time_ns"]
        day["quoted_ns"] += interval_ns
        spread_ticks = day["ask_price_ticks"] - day["bid_price_ticks"]
        seconds, rest = divmod(day["spread_tick_ns"] + spread_ticks * interval_ns, _SECOND_NS)
        day["spread_tick_seconds"] += seconds
        day["spread_tick_ns"] = rest
    day["time_ns"] = time_ns


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
        key = (instrument.number, on)
        time = session.get(QuotingTime, key)
        is_over = on != instrument.trading_day
        if time is None and is_over:
            continue
        is_running = time is not None and time.is_continuous and not is_over
        continuous_ns = 0 if time is None else time.continuous_ns
        if time is not None and is_running:
            continuous_ns += max(now_ns - time.time_ns, 0)
        rows = session.execute(
            select(_DAYS).where(_DAYS.c.instrument == key[0], _DAYS.c.trading_day == on)
        ).mappings()
        days = {row["account"]: dict(row) for row in rows}
        for account in wanted:
            day = days.get(account)
            if day is None:
                day = _new_day(rule_of(instrument.symbol), account, *key, now_ns)
            if is_running:
                _advance(day, True, max(now_ns, day["time_ns"]))
            found.append(_figures(day, instrument, is_over, continuous_ns))
    return found


def _figures(day: Row, instrument: Instrument, is_over: bool, continuous_ns: int) -> Figures:
    spread = Fraction(day["spread_tick_seconds"] * _SECOND_NS + day["spread_tick_ns"])
    return Figures(
        account=day["account"],
        symbol=instrument.symbol,
        tick_fen=instrument.tick_fen,
        trading_day=day["trading_day"],
        is_over=is_over,
        continuous_ns=continuous_ns,
        quoted_ns=day["quoted_ns"],
        average_spread_ticks=spread / day["quoted_ns"] if day["quoted_ns"] else None,
        rule=QuotingRule(
            minimum_share_ppm=day["minimum_share_ppm"],
            maximum_spread_ticks=day["maximum_spread_ticks"],
            maximum_spread_ppm=day["maximum_spread_ppm"],
            minimum_quantity=day["minimum_lots"],
            source="",
        ),
    )
