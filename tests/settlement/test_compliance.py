"""Offset caps: their arithmetic, the engine's headroom, and surrenders."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select

from engine.codes import Purpose, Side
from engine.times import nanoseconds
from settlement import certificates, compliance, compliance_views, operations, scheme_rules
from settlement.credit_terms import Credits
from settlement.errors import Refused
from settlement.scheme_rules import Deadline, Rule
from settlement.tables.compliance import Obligation
from settlement.tables.registry import Operation

NOW_NS = nanoseconds(datetime(2026, 11, 20, tzinfo=UTC))


@pytest.fixture
def capped(credit_registry, monkeypatch):
    """The registry with alpha owing 1,000 t under the demo scheme: a cap of 50 t."""
    monkeypatch.setattr(compliance.time, "time_ns", lambda: NOW_NS)
    oblige(credit_registry, 1_000)
    return credit_registry


def oblige(credit_registry, base_quantity: int, **changes):
    terms = {"account": "alpha", "scheme": "demo", "year": 2026} | changes
    return compliance.set_obligation(
        credit_registry.database,
        credit_registry.exchange,
        **terms,
        base_quantity=base_quantity,
    )


def surrender(credit_registry, quantity: int, year: int = 2026, key=None):
    body = {"scheme": "demo", "year": year, "quantity": str(quantity)}
    request = operations.Request(1, "surrender", body, key)
    return operations.perform(
        credit_registry.database,
        credit_registry.exchange,
        request,
        compliance.surrender("demo", year, quantity),
    )


def headroom(credit_registry, account: int = 1, year: int | None = 2026):
    return compliance_views.headroom(
        credit_registry.database, credit_registry.exchange, account, "demo", year
    )


@pytest.mark.parametrize(
    ("ratio_ppm", "base", "cap"),
    [
        (50_000, 1_000, 50),
        (50_000, 19, 0),
        (50_000, 20, 1),
        (50_000, 39, 1),
        (100_000, 999, 99),
        (333_333, 3, 0),
        (1_000_000, 7, 7),
        (50_000, 2**45, 2**45 // 20),
    ],
)
def test_a_cap_is_rounded_down_in_integers(ratio_ppm, base, cap):
    rule = Rule(
        scheme="s",
        name="n",
        name_zh="n",
        first_year=1,
        ratio_ppm=ratio_ppm,
        base="allocation",
        source="",
        deadline=Deadline(years_after=1, month=1, day=1),
    )
    assert rule.cap(base) == cap


@pytest.mark.parametrize(
    ("moment", "years"),
    [
        ("2025-12-31T15:59:59+00:00", []),
        ("2025-12-31T16:00:00+00:00", [2026]),  # Beijing's new year
        ("2027-12-31T15:59:59+00:00", [2026, 2027]),
        ("2027-12-31T16:00:00+00:00", [2027, 2028]),
    ],
)
def test_a_year_is_open_from_its_start_to_its_deadline(moment, years):
    time_ns = nanoseconds(datetime.fromisoformat(moment))
    assert scheme_rules.scheme("demo").open_years(time_ns) == years


def test_schemes_are_shown_as_published():
    shown = {(item["scheme"], item["year"]): item for item in compliance_views.show_schemes(NOW_NS)}
    assert [year for scheme, year in shown if scheme == "national"] == [2026, 2025, 2021]
    assert not shown["guangdong", 2017]["open"]
    assert shown["guangdong", 2017]["scheme_quota"] == "1500000"
    assert (
        shown["demo", 2026].items()
        >= {
            "ratio": "0.05",
            "base": "surrender_obligation",
            "scheme_quota": "1000000",
            "deadline": "2027-12-31T16:00:00.000000Z",
            "verified": False,
        }.items()
    )
    national = shown["national", 2025]
    assert (national["scheme_quota"], national["deadline"]) == (None, "2026-12-31T16:00:00.000000Z")


def test_an_obligation_gives_the_engine_its_cap(capped):
    assert headroom(capped) == {
        "scheme": "demo",
        "year": 2026,
        "cap": "50",
        "used": "0",
        "held": "0",
        "open_orders": "0",
        "headroom": "50",
        "scheme_quota_left": "1000000",
    }
    oblige(capped, 2_000)
    assert headroom(capped)["cap"] == "100"
    assert headroom(capped, year=None)["year"] == 2026


def test_compliance_orders_count_against_the_cap(capped):
    exchange = capped.exchange
    with capped.database.read() as session:
        scheme = compliance.scheme_number(session, "demo", account=1)
        assert compliance.scheme_number(session, "demo", 2026) == scheme
    exchange.order(1, 1, Side.BUY, 5_000, 30, purpose=Purpose.COMPLIANCE, scheme=scheme)
    answer = headroom(capped)
    assert (answer["open_orders"], answer["headroom"]) == ("30", "20")
    oblige(capped, 100)
    assert headroom(capped)["headroom"] == "0"


def test_a_cap_that_a_crash_kept_back_is_sent_at_the_next_start(credit_registry, monkeypatch):
    monkeypatch.setattr(compliance.time, "time_ns", lambda: NOW_NS)

    class Dead:
        def submit(self, commands):
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        compliance.set_obligation(
            credit_registry.database,
            Dead(),
            account="alpha",
            scheme="demo",
            year=2026,
            base_quantity=1_000,
        )
    exchange = credit_registry.exchange
    assert compliance.resume_obligations(credit_registry.database, exchange) == 1
    assert compliance.resume_obligations(credit_registry.database, exchange) == 0
    assert headroom(credit_registry)["cap"] == "50"


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"account": "nobody"}, ("not_found", "account")),
        ({"scheme": "none"}, ("not_found", "scheme")),
        ({"year": 2025}, ("invalid_request", "year")),
        ({"year": 2027}, ("invalid_request", "year")),
        ({"base_quantity": 2**50}, ("quantity_too_large", "base_quantity")),
    ],
)
def test_an_impossible_obligation_is_refused(credit_registry, monkeypatch, changes, refusal):
    monkeypatch.setattr(compliance.time, "time_ns", lambda: NOW_NS)
    with pytest.raises(Refused) as refused:
        oblige(credit_registry, **({"base_quantity": 1} | changes))
    assert (refused.value.code, refused.value.field) == refusal
    with credit_registry.database.read() as session:
        assert session.scalars(select(Obligation)).all() == []


def test_a_surrender_retires_credits_and_uses_the_cap(capped):
    capped.issue(2024, 100)
    capped.deposit(1, 80)
    answer = surrender(capped, 40, key="k")
    assert surrender(capped, 40, key="k") == answer
    assert (
        answer.items()
        >= {
            "kind": "surrender",
            "quantity": "40",
            "beneficiary": "Alpha",
            "scheme": "demo",
            "year": 2026,
        }.items()
    )
    # The 20 that were not in custody go first.
    assert capped.holdings(1) == [("GD-PH-2024-21..80", "custody")]
    assert (headroom(capped)["used"], headroom(capped)["headroom"]) == ("40", "10")
    assert headroom(capped)["scheme_quota_left"] == "999960"
    capped.check()
    with capped.database.read() as session:
        content = certificates.certificate(
            session, certificates.find(session, answer["certificate_id"])
        )
    assert sum(int(part["quantity"]) for part in content["serials"]) == 40


def test_a_surrender_above_the_cap_gives_everything_back(capped):
    capped.issue(2024, 100)
    capped.deposit(1, 80)
    before = headroom(capped)
    with pytest.raises(Refused, match="offset_cap_exceeded"):
        surrender(capped, 51)
    capped.check()
    assert headroom(capped) == before
    with capped.database.read() as session:
        statuses = session.scalars(select(Operation.status).order_by(Operation.number)).all()
    assert statuses == ["completed", "refused"]
    request = operations.Request(1, "surrender", {})
    prepare = compliance.surrender("demo", 2026, 51)
    with pytest.raises(Refused, match="offset_cap_exceeded"):
        operations.rehearse(capped.database, capped.exchange, request, prepare)
    prepare = compliance.surrender("demo", 2026, 50)
    rehearsed = operations.rehearse(capped.database, capped.exchange, request, prepare)
    assert (rehearsed["certificate_id"], rehearsed["dry_run"]) == (None, True)


def with_rule(monkeypatch, **changes) -> None:
    rule = scheme_rules.rule("demo", 2026).model_copy(update=changes)
    monkeypatch.setattr(compliance, "rule", lambda scheme, year: rule)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"admitted": (Credits(symbols=("XM-CER",)),)}, "insufficient_credits"),
        ({"admitted": (Credits(excluded_types=("transport",)),)}, "insufficient_credits"),
        ({"admitted": (Credits(reductions_from=date(2025, 1, 1)),)}, "insufficient_credits"),
        ({"deadline": Deadline(years_after=0, month=11, day=19)}, "not_eligible"),
        ({"scheme_quota": 9}, "offset_cap_exceeded"),
    ],
)
def test_the_scheme_decides_which_credits_and_how_long(capped, monkeypatch, changes, code):
    capped.issue(2024, 100)
    with_rule(monkeypatch, **changes)
    with pytest.raises(Refused) as refused:
        surrender(capped, 10)
    assert refused.value.code == code
    assert capped.holdings(1) == [("GD-PH-2024-1..100", "held")]
    assert headroom(capped)["used"] == "0"


def test_without_an_obligation_nothing_can_be_surrendered(capped):
    with pytest.raises(Refused, match="not_eligible"):
        headroom(capped, account=2)
    with pytest.raises(Refused, match="not_eligible"):
        surrender(capped, 1, year=2027)
    with capped.database.read() as session, pytest.raises(Refused, match="not_eligible"):
        compliance.scheme_number(session, "national")


@pytest.mark.parametrize("breaks_at", range(3))
@pytest.mark.parametrize("quantity", [40, 51])
def test_an_interrupted_surrender_ends_as_an_uninterrupted_one(capped, breaks_at, quantity):
    capped.issue(2024, 100)
    capped.deposit(1, 80)

    class Cut:
        """Carries commands out and loses the answer to one of them."""

        sent = -1

        def submit(self, commands):
            answers = capped.exchange.submit(commands)
            self.sent += 1
            if self.sent == breaks_at:
                raise ConnectionResetError
            return answers

    request = operations.Request(1, "surrender", {})
    prepare = compliance.surrender("demo", 2026, quantity)
    try:
        operations.perform(capped.database, Cut(), request, prepare)
    except (ConnectionResetError, Refused):
        operations.resume_pending(capped.database, capped.exchange)
    capped.check()
    used = quantity if quantity <= 50 else 0
    assert headroom(capped)["used"] == str(used)
    with capped.database.read() as session:
        operation = operations.find(session, 1, request.operation_id)
    assert operation.status == ("completed" if used else "refused")
