"""What compliance shows: obligations, alerts, shortfalls, what-if, and what may not be bought."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from scheme_firms import Firms
from scheme_scenarios import ALPHA, BETA, OK
from sqlalchemy import select

from engine.codes import Purpose, Side
from engine.times import nanoseconds
from settlement import compliance, compliance_alerts, compliance_preview, compliance_views
from settlement.compliance_views import Wanted
from settlement.errors import Refused
from settlement.tables.registry import Project

MAX_ID = 2**62


@pytest.fixture
def backend() -> str:
    """What is shown is computed in the same way from either database."""
    return "sqlite"


@pytest.fixture
def firms(credit_registry, monkeypatch):
    """Alpha and beta owe 1,000 t each under Guangdong's rule of 2021; alpha has credits."""
    firms = Firms(credit_registry, monkeypatch, "guangdong", 2021)
    firms.set_time(at(2022, 3, 1))
    for firm in (ALPHA, BETA):
        firms.oblige(firm, 1_000)
    firms.give(ALPHA, "solar of Guangdong", 200)
    firms.give(ALPHA, "wind of Gansu", 200)
    return firms


def at(year: int, month: int, day: int) -> int:
    return nanoseconds(datetime(year, month, day, tzinfo=ZoneInfo("Asia/Shanghai")))


def every(firms: Firms, **wanted):
    return compliance_views.every_obligation(
        firms.registry.database, firms.registry.exchange, Wanted(**wanted)
    )


def report(firms: Firms, number: int, **news) -> None:
    firms.registry.database.write(
        lambda session: compliance.report(
            session, number, compliance.Report(**news), actor="operator"
        )
    ).result()


def test_an_obligation_shows_everything_that_a_firm_needs(firms):
    assert firms.surrender(ALPHA, 70, "solar of Guangdong") == OK
    [shown] = every(firms, account=1)
    assert (
        shown.items()
        >= {
            "account": "alpha",
            "base": "actual_emissions",
            "base_quantity": "1000",
            "ratio": "0.1",
            "cap": "100",
            "used": "70",
            "headroom": "30",
            "scheme_quota_left": "999930",
            "obligation_quantity": "1000",
            "allowances_surrendered": "0",
            "shortfall": "930",
            "status": "open",
            "penalised": False,
            "application_deadline": "2022-06-10T16:00:00.000000Z",
            "deadline": "2022-06-20T16:00:00.000000Z",
        }.items()
    )
    [part] = shown["parts"]
    assert (part["name_zh"], part["used"], part["left"]) == ("省外项目", "0", "30")


def test_obligations_and_surrenders_come_in_pages(firms):
    database, port = firms.registry.database, firms.registry.exchange
    first, cursor = compliance_views.obligations(database, port, Wanted(), MAX_ID, 1)
    rest, end = compliance_views.obligations(database, port, Wanted(), int(cursor), 5)
    assert [one["account"] for one in first + rest] == ["beta", "alpha"]
    assert end is None
    assert every(firms, scheme="national") == []
    for _ in range(3):
        assert firms.surrender(ALPHA, 10, "solar of Guangdong") == OK
    with database.read() as session:
        newest, cursor = compliance_views.surrenders(session, Wanted(account=1), MAX_ID, 2)
        oldest, end = compliance_views.surrenders(session, Wanted(), int(cursor), 2)
        assert compliance_views.surrenders(session, Wanted(account=2), MAX_ID, 2) == ([], None)
    assert [one["account"] for one in newest + oldest] == ["alpha"] * 3
    assert end is None
    assert newest[0]["credits"][0]["region"] == "Guangdong"


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2022, 4, 1), []),
        (date(2022, 4, 12), [("application_deadline", "notice", 59)]),
        (date(2022, 5, 22), [("application_deadline", "warning", 19), ("deadline", "warning", 29)]),
        (date(2022, 6, 10), [("application_deadline", "urgent", 0), ("deadline", "warning", 10)]),
        (date(2022, 6, 11), [("deadline", "warning", 9)]),
        (date(2022, 6, 20), [("deadline", "urgent", 0)]),
        (date(2022, 6, 21), [("overdue", "urgent", -1)]),
    ],
)
def test_deadlines_come_near_and_pass(firms, day, expected):
    noon_ns = at(day.year, day.month, day.day) + 12 * 3_600 * 10**9
    firms.set_time(noon_ns)
    alerts = compliance_alerts.alerts(every(firms, account=1), noon_ns)
    assert [(one["kind"], one["level"], one["days_left"]) for one in alerts] == expected
    missing = [one["detail_zh"] for one in alerts if one["kind"] in ("deadline", "overdue")]
    assert all("1000 吨" in detail for detail in missing)


def test_a_shortfall_ends_when_allowances_are_reported_and_is_a_default_after_the_deadline(firms):
    alpha, beta = (int(one["obligation_id"]) for one in reversed(every(firms)))
    assert firms.surrender(ALPHA, 70, "solar of Guangdong") == OK
    report(firms, alpha, allowances_quantity=930, reason="the registry's letter")
    report(firms, beta, allowances_quantity=999, reason="the registry's letter")
    firms.set_time(at(2022, 6, 21))
    report(firms, beta, is_penalised=True, reason="a fine")
    shown = {one["account"]: one for one in every(firms)}
    assert [(shown[name]["status"], shown[name]["shortfall"]) for name in (ALPHA, BETA)] == [
        ("met", "0"),
        ("in_default", "1"),
    ]
    assert shown[BETA]["penalised"]
    assert compliance_alerts.shortfall_totals(shown.values()) == [
        {
            "scheme": "guangdong",
            "year": 2021,
            "obligations": 2,
            "in_default": 1,
            "penalised": 1,
            "obligation_quantity": "2000",
            "allowances_surrendered": "1929",
            "used": "70",
            "shortfall": "1",
        }
    ]
    with pytest.raises(Refused, match="not_found"):
        report(firms, 99, is_penalised=True)


def what_if(firms: Firms, wish: str, quantity: int, symbol: str | None = None):
    return compliance_preview.what_if(
        *(firms.registry.database, firms.registry.exchange, 1, "guangdong", 2021),
        wish=wish,
        quantity=quantity,
        symbol=symbol,
    )


def test_a_preview_is_what_then_happens(firms):
    """It changes nothing, and the surrender itself leaves what the preview said."""
    seen = what_if(firms, "surrender", 100)
    assert every(firms, account=1)[0]["used"] == "0"
    # Both kinds are of 2014, Guangdong's were issued first and are as much as is needed.
    assert [part["quantity"] for part in seen.serials] == ["100"]
    assert firms.surrender(ALPHA, 100) == OK
    [shown] = every(firms, account=1)
    assert seen.after.show().items() <= shown.items()
    assert seen.before.show()["headroom"] == "100"


@pytest.mark.parametrize(
    ("wish", "quantity", "symbol", "code"),
    [
        ("purchase", 100, "CCER", None),
        ("purchase", 101, "CCER", "offset_cap_exceeded"),
        ("purchase", 101, None, "offset_cap_exceeded"),
        ("purchase", 1, "GD-PHCER", "not_eligible"),  # the only project's type is unknown
        ("purchase", 1, "XM-CER", "not_eligible"),
        ("surrender", 100, None, None),
        ("surrender", 101, None, "offset_cap_exceeded"),
        ("surrender", 1, "GD-PHCER", "insufficient_credits"),
    ],
)
def test_a_preview_says_why_not(firms, wish, quantity, symbol, code):
    def change_type(session):
        project = session.scalars(select(Project).where(Project.symbol == "GD-PHCER")).one()
        project.type = "no known type"

    firms.registry.database.write(change_type).result()
    seen = what_if(firms, wish, quantity, symbol)
    assert (None if seen.refused is None else seen.refused.code) == code
    assert (seen.after is None) == (code is not None)


def test_credits_bought_under_a_higher_cap_raise_an_alert(firms):
    """The cap falls below what was bought: what cannot be surrendered any more is said."""
    exchange = firms.registry.exchange
    with firms.registry.database.read() as session:
        number = compliance.scheme_number(session, "guangdong", 2021)
    firms.registry.issue(2024, 100)
    firms.registry.deposit(1, 100)
    exchange.order(1, 1, Side.SELL, 5_000, 40)
    exchange.order(2, 1, Side.BUY, 5_000, 40, purpose=Purpose.COMPLIANCE, scheme=number)
    firms.oblige(BETA, 300)
    [shown] = every(firms, account=2)
    assert (shown["cap"], shown["held"], shown["headroom"]) == ("30", "40", "0")
    [alert] = compliance_alerts.alerts([shown], at(2022, 3, 1))
    assert (alert["kind"], alert["level"]) == ("held_above_limit", "warning")
    assert "40 t" in alert["detail"]
    assert "30 t" in alert["detail"]


@pytest.mark.parametrize(
    ("symbol", "quantity", "refusal"),
    [
        ("CCER", 50, None),
        ("CCER", 51, ("offset_cap_exceeded", "quantity", "50")),
        ("FFCER", 100, None),
        ("GD-PHCER", 1, ("not_eligible", "symbol", None)),
    ],
)
def test_what_could_never_be_surrendered_is_not_bought(
    credit_registry, monkeypatch, symbol, quantity, refusal
):
    firms = Firms(credit_registry, monkeypatch, "fujian", 2016)
    firms.set_time(at(2017, 3, 1))
    firms.oblige(ALPHA, 1_000)
    with credit_registry.database.read() as session:
        number = compliance.scheme_number(session, "fujian", 2016)
        if refusal is None:
            compliance.check_purchase(session, 1, number, symbol, quantity)
            return
        with pytest.raises(Refused) as refused:
            compliance.check_purchase(session, 1, number, symbol, quantity)
    error = refused.value
    assert (error.code, error.field, error.extra.get("limit")) == refusal


def test_nothing_is_bought_beyond_the_quota_or_the_deadline(firms, monkeypatch):
    with firms.registry.database.read() as session:
        number = compliance.scheme_number(session, "guangdong", 2021)
        compliance.check_purchase(session, 1, number, "CCER", 1_000_000)
        with pytest.raises(Refused, match="offset_cap_exceeded"):
            compliance.check_purchase(session, 1, number, "CCER", 1_000_001)
        firms.set_time(at(2022, 6, 11))
        with pytest.raises(Refused, match="not_eligible"):
            compliance.check_purchase(session, 1, number, "CCER", 1)
