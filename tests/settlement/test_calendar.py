"""The calendar: days that trade, and the borders of their sessions."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest

from engine.codes import Phase
from engine.times import day_number, nanoseconds
from settlement import calendar
from settlement.calendar import Border, Calendar
from settlement.database import Database
from settlement.market_rules import DayRule, Template, Window, propose, shipped

NATIONAL = shipped().sessions["national"]
AUCTIONS = shipped().sessions["auctions"]
ALWAYS = shipped().sessions["around_the_clock"]
FRIDAY = day_number(date(2026, 11, 20))


def day(text: str) -> int:
    return day_number(date.fromisoformat(text))


def beijing(text: str, on: int = FRIDAY) -> int:
    """Nanoseconds of a time of day in Beijing, eight hours ahead of UTC."""
    hours, minutes = map(int, text.split(":"))
    midnight = nanoseconds(datetime(1970, 1, 1, tzinfo=UTC)) + on * 86_400 * 10**9
    return midnight + ((hours - 8) * 60 + minutes) * 60 * 10**9


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-11-20", None),
        ("2026-11-21", "Weekend"),
        ("2026-10-01", "National Day"),
        ("2026-10-07", "National Day"),
        ("2026-10-08", None),
        ("2026-10-10", "Weekend"),  # a shifted working day, but no trading day
        ("2026-02-14", "Weekend"),
        ("2026-02-16", "Spring Festival"),
        ("2026-11-23", "Inventory"),  # the operator's
        ("2026-11-22", None),  # the operator's, a Sunday
    ],
)
def test_days_off(text: str, reason: str | None) -> None:
    """Weekends, the year's holidays, and the operators' exceptions in both directions."""
    exceptions = {
        day("2026-11-23"): DayRule(is_trading=False, note="Inventory"),
        day("2026-11-22"): DayRule(is_trading=True, note="Test"),
    }
    found = Calendar(exceptions).day_off(NATIONAL, day(text))
    assert (found.reason if found else None) == reason


def test_every_holiday_has_its_days_in_order_and_a_source() -> None:
    """The shipped list is of one year, in order, and says where it comes from."""
    holidays = shipped().holidays
    assert [one.first for one in holidays] == sorted(one.first for one in holidays)
    assert all(one.first <= one.last and "2026" in one.source for one in holidays)
    assert sum((one.last - one.first).days + 1 for one in holidays) == 33


def test_the_borders_of_a_day() -> None:
    """Each session begins at its local time; the last one's end closes the market."""
    found = [(one.time_ns, one.phase) for one in Calendar({}).borders(NATIONAL, FRIDAY)]
    assert found == [
        (beijing("9:30"), Phase.CONTINUOUS),
        (beijing("11:30"), Phase.PRE_OPEN),
        (beijing("13:00"), Phase.CONTINUOUS),
        (beijing("15:00"), Phase.CLOSED),
    ]
    opening, *_, closing_auction, _ = Calendar({}).borders(AUCTIONS, FRIDAY)
    assert opening == Border(
        FRIDAY, beijing("9:15"), Phase.CALL_AUCTION, beijing("9:30"), beijing("9:29"), False
    )
    assert closing_auction.cancel_until_ns == beijing("14:59")
    assert Calendar({}).borders(NATIONAL, FRIDAY + 1) == []
    assert Calendar({}).borders(ALWAYS, FRIDAY) == []


def test_the_window_for_block_trades() -> None:
    """It opens and closes at borders of its own where no session does."""
    window = Window(starts=time(13, 0), ends=time(14, 30))
    template = NATIONAL.model_copy(update={"block_window": window})
    found = Calendar({}).borders(template, FRIDAY)
    assert [(one.time_ns, one.phase, one.is_window_open) for one in found] == [
        (beijing("9:30"), Phase.CONTINUOUS, False),
        (beijing("11:30"), Phase.PRE_OPEN, False),
        (beijing("13:00"), Phase.CONTINUOUS, True),
        (beijing("14:30"), Phase.CONTINUOUS, False),
        (beijing("15:00"), Phase.CLOSED, False),
    ]


@pytest.mark.parametrize(
    ("after", "now", "expected"),
    [
        (beijing("9:00"), beijing("9:29"), []),
        (beijing("9:00"), beijing("9:30"), [Phase.CONTINUOUS]),
        (beijing("9:30"), beijing("9:30"), []),
        (beijing("9:00"), beijing("13:30"), [Phase.CONTINUOUS, Phase.PRE_OPEN, Phase.CONTINUOUS]),
        # What lies before a close has no effect behind it.
        (beijing("9:00"), beijing("20:00"), [Phase.CLOSED]),
        (0, beijing("10:00"), [Phase.CLOSED, Phase.CONTINUOUS]),
        (beijing("14:00", FRIDAY - 1), beijing("10:00"), [Phase.CLOSED, Phase.CONTINUOUS]),
        (beijing("16:00", FRIDAY - 1), beijing("10:00"), [Phase.CONTINUOUS]),
        (beijing("14:00"), beijing("10:00", FRIDAY + 2), [Phase.CLOSED]),
        (beijing("16:00"), beijing("10:00", FRIDAY + 2), []),
    ],
)
def test_what_was_missed(after: int, now: int, expected: list[Phase]) -> None:
    """In the right order, from the last close on, over weekends too."""
    found = Calendar({}).missed(NATIONAL, after, now)
    assert [one.phase for one in found] == expected
    assert [one.time_ns for one in found] == sorted(one.time_ns for one in found)
    assert Calendar({}).missed(ALWAYS, after, now) == []


@pytest.mark.parametrize(
    ("template", "now", "expected"),
    [
        (NATIONAL, beijing("9:00"), Phase.CLOSED),
        (NATIONAL, beijing("12:00"), Phase.PRE_OPEN),
        (NATIONAL, beijing("14:59"), Phase.CONTINUOUS),
        (NATIONAL, beijing("15:00"), Phase.CLOSED),
        (NATIONAL, beijing("10:00", FRIDAY + 1), Phase.CLOSED),
        (AUCTIONS, beijing("14:56"), Phase.CALL_AUCTION),
        (ALWAYS, beijing("3:00", FRIDAY + 1), Phase.CONTINUOUS),
    ],
)
def test_what_should_be_now(template: Template, now: int, expected: Phase) -> None:
    """The phase of the session that is on."""
    assert Calendar({}).current(template, now).phase is expected


def test_the_next_border_lies_behind_the_weekend() -> None:
    """After Friday's close it is Monday's opening; around the clock there is none."""
    found = Calendar({}).following(NATIONAL, beijing("15:00"))
    assert found is not None
    assert (found.time_ns, found.phase) == (beijing("9:30", FRIDAY + 3), Phase.CONTINUOUS)
    assert Calendar({}).following(ALWAYS, beijing("15:00")) is None


def test_next_trading_day(database: Database) -> None:
    """Weekends and the operators' days off are passed over."""
    with database.read() as session:
        assert calendar.next_trading_day(session, FRIDAY) == FRIDAY + 3

    def close_monday(session: object) -> None:
        rule = {"is_trading": False, "note": "Inventory"}
        propose(session, "day", "2026-11-23", rule, actor="one", needs_approval=False)  # type: ignore[arg-type]

    database.write(close_monday).result()
    with database.read() as session:
        assert calendar.next_trading_day(session, FRIDAY) == FRIDAY + 4


def test_a_calendar_without_end_is_a_mistake() -> None:
    """A year without a trading day is not searched any further."""
    never = {FRIDAY + days: DayRule(is_trading=False, note="Off") for days in range(400)}
    with pytest.raises(ValueError, match="calendar"):
        Calendar(never).first_trading_day(NATIONAL, FRIDAY)
