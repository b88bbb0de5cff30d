"""Points and carbon accounts on every database: earned, spent, made a batch, summed up."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy.orm import Session

from engine.times import day_number
from settlement import carbon, points, points_rules, registry_views
from settlement.carbon import NewEntry
from settlement.errors import Refused
from settlement.points import Act, Wanted

DAY = day_number(date(2026, 3, 1))
WANTED = Wanted("P000001", 2026, ("bus_ride",), "PERSONS")


def ride(session: Session, act_id: str, account: int, rides: int, day: int = DAY) -> None:
    points.report(session, 1, "bus_ride", [Act(act_id, account, day, rides * 1_000)])


@pytest.fixture
def buses(credit_registry):
    """alpha reports bus rides; beta and gamma have personal accounts, only beta consents."""

    def work(session: Session) -> None:
        points.allow(session, "bus_ride", 1, allowed=True)
        points.set_consent(session, 2, consents=True)
        points.set_consent(session, 3, consents=False)

    credit_registry.database.write(work).result()
    return credit_registry


def test_a_batch_is_made_of_consenting_persons_acts_of_its_year_once(buses):
    def first(session: Session) -> tuple[int, int, int]:
        ride(session, "T1", 2, 5_000)  # 2.5 t
        ride(session, "T2", 3, 9_000)
        made = points.aggregate(session, WANTED._replace(issue_key="k"))
        assert points.aggregate(session, WANTED._replace(issue_key="k")) is made
        return made.persons, made.reduction_grams, made.carried_grams

    assert buses.database.write(first).result() == (1, 2_500_000, 500_000)

    def second(session: Session) -> tuple[int, int, int]:
        ride(session, "T3", 2, 999)
        with pytest.raises(Refused, match="less than a tonne"):
            points.aggregate(session, WANTED)
        ride(session, "T4", 2, 2)
        made = points.aggregate(session, WANTED)
        return made.reports, made.brought_grams, made.carried_grams

    assert buses.database.write(second).result() == (2, 500_000, 500)
    with buses.database.read() as session:
        items, _ = registry_views.holdings(session, 1, 2**62, 10)
    assert [item["quantity"] for item in items] == ["1", "2"]
    buses.check()


def test_points_are_spent_once_and_never_more_than_there_are(buses):
    price = points_rules.versions()[0].reward("tree").points

    def work(session: Session) -> list[int]:
        ride(session, "T1", 2, 800)
        balances = [points.balance(session, 2)]
        for key in ("a", "a", "b"):
            points.redeem(session, 2, "tree", key)
            balances.append(points.balance(session, 2))
        with pytest.raises(Refused, match="points are needed"):
            points.redeem(session, 2, "tree", "c")
        with pytest.raises(Refused, match="another request"):
            points.redeem(session, 2, "bus_ticket", "a")
        return balances

    assert buses.database.write(work).result() == [
        4_000,
        4_000 - price,
        4_000 - price,
        4_000 - 2 * price,
    ]


def test_rules_count_from_their_first_day():
    newest, *_, oldest = (*points_rules.versions(), points_rules.versions()[-1])
    assert points_rules.version_of(day_number(newest.first_day)) == newest
    with pytest.raises(Refused, match="no rules"):
        points_rules.version_of(day_number(oldest.first_day) - 1)


def test_a_year_adds_what_stands_and_not_what_was_replaced(credit_registry):
    def work(session: Session) -> None:
        new = NewEntry(2026, "emission", "fuel", 5_000, "Invoice")
        wrong = carbon.add_entry(session, 1, new, "k")
        assert carbon.add_entry(session, 1, new, "k") is wrong
        right = new._replace(quantity_kg=7_001, replaces=wrong.number)
        carbon.add_entry(session, 1, right, None)
        with pytest.raises(Refused, match="replaced already"):
            carbon.add_entry(session, 1, right, None)
        carbon.add_entry(session, 2, new, None)

    credit_registry.issue(2025, 10)
    credit_registry.database.write(work).result()
    with credit_registry.database.read() as session:
        shown = carbon.statement(session, 1, 2026, 1)
        assert carbon.summary(session, 1, 2025)["emissions"] == "0.000"
    assert (shown["emissions"], shown["net"]) == ("7.001", "7.001")
    assert [(row["vintage"], row["quantity"]) for row in shown["holdings"]] == [(2025, "10")]
