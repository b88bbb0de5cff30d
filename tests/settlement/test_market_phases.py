"""The scheduler and the operator: who sets a market's phase, with a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.codes import CommandKind, EventKind, Phase, Side
from settlement import market_phases
from settlement.calendar import Border
from settlement.clearing import Clearing
from settlement.database import Database
from settlement.market_phases import Scheduler
from settlement.tables.trading import Instrument

FRIDAY = 20_777  # 2026-11-20
MINUTE_NS = 60 * 10**9


class Clock:
    """Beijing's time of day, on a day counted from that Friday."""

    def __init__(self) -> None:
        self.now_ns = 0

    def set(self, text: str, days: int = 0) -> None:
        hours, minutes = map(int, text.split(":"))
        self.now_ns = ((FRIDAY + days) * 24 * 60 + (hours - 8) * 60 + minutes) * MINUTE_NS

    def time_ns(self) -> int:
        return self.now_ns


class Floor:
    """A market whose commands are counted, a clock, and a scheduler that may be started anew."""

    def __init__(self, exchange: Any) -> None:
        self.exchange = exchange
        self.clock = Clock()
        self.phases: list[Phase] = []
        self.crashes = False
        self.start()

    def start(self) -> None:
        self.scheduler = Scheduler(self.exchange.database, self, self.clock.time_ns)

    def submit(self, commands: Any) -> Any:
        answers = self.exchange.submit(commands)
        for events in answers:
            if events["kind"][0] == EventKind.PHASE_CHANGED:
                self.phases.append(self.phase)
        self.exchange.intake.flush()
        if self.crashes:
            raise ConnectionError("the answer is lost")
        return answers

    def account(self, number: int) -> Any:
        return self.exchange.account(number)

    def balances(self) -> Any:
        return self.exchange.balances()

    @property
    def phase(self) -> Phase:
        return Phase(int(self.exchange.engine.export().instruments["phase"][1]))

    def at(self, text: str, days: int = 0) -> list[Phase]:
        """Let the time come; the phases that the scheduler sets."""
        self.clock.set(text, days)
        self.phases.clear()
        self.scheduler.step()
        return list(self.phases)

    def operator(self, phase: Phase, reason: str = "") -> None:
        """As the route does it: first the word, then the deed."""
        said = {"symbol": None, "actor": "operator", "time_ns": self.clock.now_ns}
        self.exchange.database.write(
            lambda session: market_phases.record_phase(session, [1], phase, reason=reason, **said)
        ).result()
        market_phases.set_phase(self, 1, Border(0, 0, phase))

    def resume(self) -> Border:
        said = {"symbol": None, "actor": "operator", "time_ns": self.clock.now_ns}
        answer = self.exchange.database.write(
            lambda session: market_phases.record_resumption(session, [1], **said)
        )
        [border] = answer.result().values()
        market_phases.set_phase(self, 1, border)
        return border


@pytest.fixture
def floor(database: Database, new_exchange: Callable[[Database], Any]) -> Floor:
    """One instrument, closed, with the national sessions, early on a Friday."""
    exchange = new_exchange(database)
    exchange.define(1, "GD-PHCER")
    for account in (1, 2):
        exchange.open_account(account)
        exchange.deposit_cash(account, 10_000_000)
    exchange.rule("sessions", "GD-PHCER", {"template": "national"})
    exchange.intake.flush()
    floor = Floor(exchange)
    floor.clock.set("8:00")
    return floor


def test_a_day_by_the_calendar(floor: Floor) -> None:
    """Each border once, when it has come; the next one is told."""
    assert floor.at("9:29") == []
    assert floor.scheduler.step() == floor.clock.now_ns + MINUTE_NS
    assert floor.at("9:30") == [Phase.CONTINUOUS]
    assert floor.at("9:30") == []
    assert floor.at("11:31") == [Phase.PRE_OPEN]
    assert floor.at("13:00") == [Phase.CONTINUOUS]
    assert floor.at("15:00") == [Phase.CLOSED]
    assert floor.at("23:00") == []


def test_missed_borders_are_caught_up(floor: Floor) -> None:
    """A scheduler that starts again does what it missed, in order, and nothing twice."""
    assert floor.at("9:30") == [Phase.CONTINUOUS]
    floor.start()
    assert floor.at("10:00") == []
    floor.start()
    assert floor.at("13:10") == [Phase.PRE_OPEN, Phase.CONTINUOUS]
    floor.start()
    assert floor.at("20:00") == [Phase.CLOSED]


def test_a_crash_between_deed_and_memory_does_no_harm(floor: Floor) -> None:
    """The border is carried out again, and that is all."""

    floor.crashes = True
    with pytest.raises(ConnectionError):
        floor.at("9:30")
    floor.crashes = False
    assert floor.at("9:31") == [Phase.CONTINUOUS]
    assert floor.at("9:32") == []


def test_the_operators_phase_stands_until_the_next_border(floor: Floor) -> None:
    """He closes early, or opens early: the calendar goes on from there, after a restart too."""
    floor.at("9:30")
    floor.clock.set("10:00")
    floor.operator(Phase.CLOSED)
    floor.start()
    assert floor.at("11:00") == []
    assert floor.phase is Phase.CLOSED
    assert floor.at("11:30") == [Phase.PRE_OPEN]


def test_a_halt_stands_until_he_resumes(floor: Floor) -> None:
    """Borders pass it by; on resuming the market is where the calendar says."""
    floor.at("9:30")
    floor.clock.set("10:00")
    floor.operator(Phase.HALTED, "News about the methodology")
    floor.start()
    assert floor.at("13:00") == []
    assert floor.phase is Phase.HALTED
    with floor.exchange.database.read() as session:
        assert market_phases.halts(session) == {
            1: market_phases.Halt(
                "News about the methodology", "operator", floor.clock.now_ns - 180 * MINUTE_NS
            )
        }
    floor.clock.set("13:30")
    assert floor.resume().phase is Phase.CONTINUOUS
    with floor.exchange.database.read() as session:
        assert market_phases.halts(session) == {}
    assert floor.at("13:31") == []
    assert floor.at("15:00") == [Phase.CLOSED]


def test_a_halt_that_comes_while_a_border_is_carried_out_has_the_last_word(floor: Floor) -> None:
    """The order in which word and deed arrive does not matter."""
    floor.exchange.on_command(CommandKind.SET_PHASE, lambda: floor.operator(Phase.HALTED, "News"))
    assert floor.at("9:30") == [Phase.HALTED, Phase.CONTINUOUS, Phase.HALTED]
    assert floor.at("9:31") == []


def test_resuming_through_a_call_auction(floor: Floor) -> None:
    """Five minutes of it in continuous trading, shorter before a border, none in the break."""
    floor.exchange.rule("sessions", "GD-PHCER", {"template": "auctions"})
    floor.at("9:30")
    floor.clock.set("10:00")
    floor.operator(Phase.HALTED, "News")
    border = floor.resume()
    assert (border.phase, border.ends_at_ns - border.time_ns) == (
        Phase.CALL_AUCTION,
        5 * MINUTE_NS,
    )
    assert floor.at("10:04") == []
    assert floor.scheduler.step() == floor.clock.now_ns + MINUTE_NS
    assert floor.at("10:05") == [Phase.CONTINUOUS]
    assert floor.at("10:06") == []
    floor.clock.set("11:28")
    floor.operator(Phase.HALTED, "News")
    assert floor.resume().ends_at_ns == floor.clock.now_ns + 2 * MINUTE_NS
    assert floor.at("11:30") == [Phase.PRE_OPEN]
    assert floor.at("11:40") == []
    floor.operator(Phase.HALTED, "News")
    assert floor.resume().phase is Phase.PRE_OPEN


def test_a_new_day_waits_for_the_settlement_of_the_last(floor: Floor, tmp_path: Any) -> None:
    """Monday opens once Friday is settled, and not before; its close is Monday's."""
    floor.at("9:30")
    floor.at("15:00")
    assert floor.at("9:30", days=3) == []
    assert floor.phase is Phase.CLOSED
    work = Clearing(floor.exchange.database, floor.exchange, tmp_path, reopen=False)
    run_id = work.begin(FRIDAY)
    assert floor.at("9:31", days=3) == []
    assert work.run(run_id)
    with floor.exchange.database.read() as session:
        assert session.get_one(Instrument, 1).trading_day == FRIDAY + 3
    assert floor.at("9:32", days=3) == [Phase.CONTINUOUS]


def test_a_day_that_was_settled_early_stays_closed(floor: Floor, tmp_path: Any) -> None:
    """When the next day has begun, the old one's borders no longer count."""
    floor.at("9:30")
    floor.clock.set("10:00")
    floor.exchange.settle(tmp_path, reopen=False)
    assert floor.at("13:00") == []
    assert floor.phase is Phase.CLOSED


def test_breaks_keep_the_market_closed_until_an_operator_opens_it(
    floor: Floor, tmp_path: Any
) -> None:
    """What does not reconcile is looked at by somebody before the calendar goes on."""
    floor.at("9:30")
    # Credits that came in past the registry: no custody stands behind them.
    floor.exchange.deposit_credits(1, 1, 10)
    floor.exchange.settle(tmp_path, reopen=False)
    assert floor.at("9:30", days=3) == []
    floor.clock.set("9:40", days=3)
    floor.operator(Phase.CONTINUOUS)
    assert floor.at("11:30", days=3) == [Phase.PRE_OPEN]


def test_a_market_around_the_clock_has_no_borders(floor: Floor) -> None:
    """The scheduler leaves it alone."""
    floor.exchange.rule("sessions", "GD-PHCER", {"template": "around_the_clock"})
    floor.operator(Phase.CONTINUOUS)
    assert floor.at("15:00") == []
    assert floor.at("3:00", days=1) == []
    assert floor.scheduler.step() is None


def test_day_orders_expire_with_a_close_that_was_missed(floor: Floor) -> None:
    """Down from Friday to Monday: the close comes first, late as it is."""
    floor.at("9:30")
    floor.exchange.order(1, 1, Side.BUY, 5_000, 10)
    assert floor.at("9:30", days=3) == [Phase.CLOSED]
    assert len(floor.exchange.engine.export().orders) == 0


def test_a_changed_calendar_takes_effect_at_once(floor: Floor) -> None:
    """A day that the operator closes in time does not open."""
    floor.exchange.rule("day", "2026-11-20", {"is_trading": False, "note": "Maintenance"})
    assert floor.at("9:30") == []
