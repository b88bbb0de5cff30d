"""Each offset scheme at, below and above each of its limits, and at its deadline."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from scheme_firms import Firms
from scheme_scenarios import OK, SCENARIOS, Scenario
from sqlalchemy import select

from engine.times import nanoseconds
from settlement import scheme_rules
from settlement.errors import Refused
from settlement.tables.compliance import Obligation

IDS = [f"{one.scheme}-{one.year}-{one.base}" for one in SCENARIOS]


def midnight_after(scenario: Scenario) -> int:
    """The end of the last day where the scheme is at home."""
    zone = scheme_rules.rule(scenario.scheme, scenario.year).time_zone
    following = date.fromisoformat(scenario.last_day) + timedelta(days=1)
    return nanoseconds(
        datetime.combine(following, datetime.min.time(), scheme_rules.ZoneInfo(zone))
    )


def start(scenario: Scenario, credit_registry, monkeypatch) -> Firms:
    """Every firm obliged, with twice the credits that the table's steps ask of it."""
    firms = Firms(credit_registry, monkeypatch, scenario.scheme, scenario.year)
    firms.set_time(midnight_after(scenario) - 1)
    for firm in sorted({firm for firm, *_ in scenario.steps}):
        firms.oblige(firm, scenario.base)
    wanted: dict[tuple[str, str], int] = {}
    for firm, quantity, name, _ in scenario.steps:
        wanted[firm, name] = wanted.get((firm, name), 0) + 2 * quantity
    for (firm, name), quantity in wanted.items():
        firms.give(firm, name, quantity)
    return firms


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=IDS)
def test_what_a_scheme_allows(scenario, backend, credit_registry, monkeypatch):
    """The table, in the last nanosecond of the last day; a nanosecond later it is too late."""
    firms = start(scenario, credit_registry, monkeypatch)
    with credit_registry.database.read() as session:
        assert session.scalars(select(Obligation.cap_quantity)).first() == scenario.cap
    for step in scenario.steps:
        firm, quantity, name, outcome = step
        assert (firms.surrender(firm, quantity, name), step) == (outcome, step)
    credit_registry.check()
    firm, _, name, _ = next(step for step in scenario.steps if step[3] == OK)
    firms.set_time(midnight_after(scenario))
    assert firms.surrender(firm, 1, name) == "not_eligible"
    with pytest.raises(Refused, match="invalid_request"):
        firms.oblige(firm, scenario.base)


def test_every_rule_has_a_scenario():
    """No row of the rules is without its table."""
    tested = {
        (scenario.scheme, scheme_rules.rule(scenario.scheme, scenario.year).first_year)
        for scenario in SCENARIOS
    }
    rules = {
        (code, rule.first_year)
        for code, scheme in scheme_rules.schemes().items()
        for rule in scheme.rules
    }
    assert tested == rules
