"""Market makers' obligations: events in, figures out, computed by hand."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from settlement_driver import TRADING_DAY
from sqlalchemy.orm import Session

from engine.codes import CommandKind, Phase, Side
from engine.records import QUOTE_COMMAND
from settlement import quoting
from settlement.database import Database
from settlement.tables.identity import Account, User
from settlement.tables.market_rules import QuotingDay

SECOND_NS = 10**9
MAKER = 1
RULE: dict[str, object] = {
    "minimum_share_ppm": 500_000,
    "maximum_spread_ticks": 20,
    "maximum_spread_ppm": 0,
    "minimum_quantity": 10,
    "source": "test",
}


class Desk:
    """A market maker at a market whose time the test sets, in seconds after its start."""

    def __init__(self, exchange: Any) -> None:
        self.exchange = exchange
        self.start_ns = (exchange.time_ns // SECOND_NS + 10) * SECOND_NS

    def at(self, seconds: int) -> None:
        """The next command is carried out at exactly this time."""
        # The exchange adds a microsecond before each command.
        self.exchange.time_ns = self.start_ns + seconds * SECOND_NS - 1_000

    def quote(self, bid: tuple[int, int], ask: tuple[int, int], account: int = MAKER) -> None:
        """(price in ticks, lots) of both sides; lots of 0 withdraw a side."""
        self.exchange.command(
            CommandKind.SET_QUOTE,
            QUOTE_COMMAND,
            account=account,
            instrument=1,
            bid_price_ticks=bid[0],
            bid_quantity_lots=bid[1],
            ask_price_ticks=ask[0],
            ask_quantity_lots=ask[1],
        )

    def figures(self, seconds: int, day: int | None = None) -> quoting.Figures:
        self.exchange.intake.flush()
        with self.exchange.database.read() as session:
            [found] = quoting.figures(session, [MAKER], day, self.start_ns + seconds * SECOND_NS)
        return found


@pytest.fixture
def desk(database: Database, new_exchange: Callable[[Database], Any]) -> Desk:
    """GD-PHCER closed, at 50.00; the maker is account 1."""
    exchange = new_exchange(database)
    exchange.define(1, "GD-PHCER")
    exchange.rule("quoting", "GD-PHCER", RULE)
    for account in (1, 2):
        exchange.open_account(account)
        exchange.deposit_cash(account, 10_000_000)
        exchange.deposit_credits(account, 1, 1_000)
    exchange.intake.flush()
    return Desk(exchange)


# At each second the quote becomes this: bid, ask; continuous trading from 0 to 100.
GOOD, WIDE = ((4_990, 10), (5_010, 10)), ((4_990, 10), (5_011, 10))


@pytest.mark.parametrize(
    ("quotes", "quoted_seconds", "average_ticks"),
    [
        ([], 0, None),
        ([(0, GOOD)], 100, 20),
        ([(40, GOOD)], 60, 20),
        ([(0, WIDE)], 0, None),
        ([(0, GOOD), (60, WIDE)], 60, 20),
        ([(0, GOOD), (60, ((4_990, 10), (0, 0)))], 60, 20),  # one side is not enough
        ([(0, GOOD), (60, ((4_990, 9), (5_010, 10)))], 60, 20),  # nor too few lots
        ([(0, GOOD), (25, ((4_995, 10), (5_005, 99)))], 100, Fraction(25 * 20 + 75 * 10, 100)),
        ([(0, GOOD), (50, ((0, 0), (0, 0))), (90, ((4_999, 10), (5_000, 10)))], 60, None),
    ],
)
def test_quoted_time_and_spread(
    desk: Desk, quotes: list[Any], quoted_seconds: int, average_ticks: Fraction | int | None
) -> None:
    """The time for which both sides stood within the rule, and the spread over that time."""
    desk.at(0)
    desk.exchange.set_phase(1, Phase.CONTINUOUS)
    for seconds, (bid, ask) in quotes:
        # A microsecond for the quote that comes with the opening would be in the way.
        desk.at(seconds)
        desk.quote(bid, ask)
    found = desk.figures(100)
    assert (found.continuous_ns, found.quoted_ns) == (100 * SECOND_NS, quoted_seconds * SECOND_NS)
    if quoted_seconds == 60 and len(quotes) == 3:
        assert found.average_spread_ticks == Fraction(50 * 20 + 10 * 1, 60)
    else:
        assert found.average_spread_ticks == average_ticks
    assert found.share_ppm == quoted_seconds * 10_000
    assert found.is_met is (quoted_seconds >= 50)
    # The close ends the session and the quote; from then on nothing moves.
    desk.at(100)
    desk.exchange.set_phase(1, Phase.CLOSED)
    assert desk.figures(5_000)[5:7] == found[5:7]


def test_only_continuous_trading_counts(desk: Desk) -> None:
    """Neither a halt nor the break counts, for the session or for the quote that stands in it."""
    for seconds, phase in (
        (0, Phase.CONTINUOUS),
        (30, Phase.HALTED),
        (40, Phase.CONTINUOUS),
        (60, Phase.PRE_OPEN),
        (100, Phase.CONTINUOUS),
    ):
        desk.at(seconds)
        desk.exchange.set_phase(1, phase)
        if seconds == 0:
            desk.at(10)
            desk.quote(*GOOD)
    found = desk.figures(110)
    assert (found.continuous_ns, found.quoted_ns) == (60 * SECOND_NS, 50 * SECOND_NS)


def test_a_trade_that_takes_the_depth_away_ends_the_quote(desk: Desk) -> None:
    """Filled in part the side is too small; filled up again it counts from there."""
    desk.at(0)
    desk.exchange.set_phase(1, Phase.CONTINUOUS)
    desk.at(0)
    desk.quote(*GOOD)
    desk.at(30)
    desk.exchange.order(2, 1, Side.BUY, 5_010, 4)
    desk.at(70)
    desk.quote(*GOOD)
    desk.at(80)
    desk.exchange.order(2, 1, Side.SELL, 4_990, 10)
    assert desk.figures(100).quoted_ns == 40 * SECOND_NS


def test_orders_that_are_no_quote_do_not_count(desk: Desk) -> None:
    """Only the standing two-sided quote is measured."""
    desk.at(0)
    desk.exchange.set_phase(1, Phase.CONTINUOUS)
    desk.exchange.order(MAKER, 1, Side.BUY, 4_990, 10)
    desk.exchange.order(MAKER, 1, Side.SELL, 5_010, 10)
    assert desk.figures(100).quoted_ns == 0


def test_a_spread_in_parts_of_the_middle(desk: Desk) -> None:
    """4,000 ppm of 50.00 are 20 ticks: counted at it, not above it."""
    desk.exchange.rule(
        "quoting", "GD-PHCER", RULE | {"maximum_spread_ticks": 0, "maximum_spread_ppm": 4_000}
    )
    desk.at(0)
    desk.exchange.set_phase(1, Phase.CONTINUOUS)
    desk.at(10)
    desk.quote(*GOOD)
    desk.at(40)
    desk.quote(*WIDE)
    assert desk.figures(100).quoted_ns == 30 * SECOND_NS


def test_the_rule_of_a_day_is_that_of_its_first_quote(desk: Desk, tmp_path: Any) -> None:
    """A change in the middle of a day holds from the next one on."""
    desk.at(0)
    desk.exchange.set_phase(1, Phase.CONTINUOUS)
    desk.at(10)
    desk.quote(*GOOD)
    desk.exchange.intake.flush()
    desk.exchange.rule("quoting", "GD-PHCER", RULE | {"minimum_quantity": 11})
    assert desk.figures(20).quoted_ns == 10 * SECOND_NS
    desk.at(50)
    desk.exchange.set_phase(1, Phase.CLOSED)
    desk.exchange.settle(tmp_path, reopen=False)
    desk.at(100)
    desk.exchange.set_phase(1, Phase.CONTINUOUS)
    desk.at(110)
    desk.quote(*GOOD)
    today, yesterday = desk.figures(150), desk.figures(150, TRADING_DAY)
    assert (today.trading_day, today.continuous_ns, today.quoted_ns) == (
        TRADING_DAY + 1,
        50 * SECOND_NS,
        0,
    )
    assert (yesterday.is_over, yesterday.continuous_ns, yesterday.quoted_ns) == (
        True,
        50 * SECOND_NS,
        40 * SECOND_NS,
    )
    assert (yesterday.share_ppm, yesterday.is_met) == (800_000, True)


def test_events_that_come_one_by_one_or_again_give_the_same(
    desk: Desk, new_database: Callable[[], Database], new_exchange: Callable[[Database], Any]
) -> None:
    """However the events are cut into transactions, and after a restart of the intake."""
    other = Desk(new_exchange(new_database()))
    other.exchange.define(1, "GD-PHCER")
    other.exchange.rule("quoting", "GD-PHCER", RULE)
    for account in (1, 2):
        other.exchange.open_account(account)
        other.exchange.deposit_cash(account, 10_000_000)
        other.exchange.deposit_credits(account, 1, 1_000)
    for one, flushes in ((desk, True), (other, False)):
        one.at(0)
        one.exchange.set_phase(1, Phase.CONTINUOUS)
        for seconds in range(1, 60):
            one.at(seconds)
            half = 9 + seconds % 4
            one.quote((5_000 - half, 10 + seconds % 3), (5_000 + half, 10))
            one.at(seconds)
            side = Side.BUY if seconds % 2 else Side.SELL
            one.exchange.order(2, 1, side, 5_000 + (half if side == Side.BUY else -half), 1)
            if flushes:
                one.exchange.intake.flush()
    figures = [one.figures(60)[5:8] for one in (desk, other)]
    assert figures[0] == figures[1]
    assert 0 < figures[0][1] < figures[0][0]


def test_sums_beyond_64_bits(database: Database) -> None:
    """A day of the widest spread that there can be is kept exactly."""
    day: dict[str, int] = dict(
        **{"instrument": 1, "trading_day": 1, "account": 1, "time_ns": 0, "quoted_ns": 0},
        **{"bid_price_ticks": 1, "bid_lots": 1, "ask_price_ticks": 2**31 - 1, "ask_lots": 1},
        **{"spread_tick_seconds": 0, "spread_tick_ns": 0, "minimum_share_ppm": 0},
        **{"maximum_spread_ticks": 0, "maximum_spread_ppm": 0, "minimum_lots": 1},
    )
    day_ns = 86_400 * SECOND_NS - 1
    quoting._advance(day, True, day_ns)
    database.write(lambda session: session.add(QuotingDay(**day))).result()
    with database.read() as session:
        kept = session.get_one(QuotingDay, (1, 1, 1))
        total = kept.spread_tick_seconds * SECOND_NS + kept.spread_tick_ns
    assert total == (2**31 - 2) * day_ns


def test_market_makers_are_those_with_the_role(database: Database) -> None:
    """Accounts, each once, whoever of its users has it."""

    def fill(session: Session) -> None:
        for number in (1, 2):
            session.add(Account(number=number, code=f"a{number}", name="A", created_time_ns=1))
        session.flush()
        for name, number, roles in (
            ("x", 1, "market_maker trader"),
            ("y", 1, "market_maker"),
            ("z", 2, "trader"),
        ):
            session.add(
                User(
                    username=name,
                    password_hash="",
                    account_number=number,
                    roles=roles,
                    created_time_ns=1,
                )
            )

    database.write(fill).result()
    with database.read() as session:
        assert quoting.market_makers(session) == [1]
