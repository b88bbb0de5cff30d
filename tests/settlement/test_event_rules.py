"""Footprints: exact to the microgram, rounded up once, and clear about what they do not know."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.times import format_time, parse_time
from settlement.errors import Refused
from settlement.event_rules import Activity, footprint, rules

LINES = st.lists(
    st.builds(
        lambda factor, whole, thousandths, pick: Activity(
            factor.emission_source,
            factor.activity,
            f"{whole}.{thousandths:03}",
            rules().units_of(factor)[pick % len(rules().units_of(factor))],
        ),
        st.sampled_from(rules().factors),
        st.integers(0, 100_000),
        st.integers(0, 999),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=6,
)


@given(lines=LINES)
def test_only_the_sum_is_rounded_and_up(lines):
    """Against fractions, by the text of the table."""
    factors = {(one.emission_source, one.activity): one for one in rules().factors}
    kilograms = sum(
        Fraction(line.amount)
        * rules().units[line.unit].multiplier
        * Fraction(factors[line.source, line.activity].kilograms)
        for line in lines
    )
    shown, tonnes = footprint(lines)
    assert Fraction(shown["emissions_kg"]) == kilograms
    assert sum(Fraction(line["emissions_kg"]) for line in shown["sources"]) == kilograms
    assert tonnes - 1 < kilograms / 1_000 <= tonnes or tonnes == kilograms == 0
    assert shown["quantity"] == str(tonnes)


@pytest.mark.parametrize(
    ("amount", "unit", "emissions_kg", "tonnes"),
    [
        ("1000", "kWh", "530.6", 1),
        ("1", "MWh", "530.6", 1),
        ("0.001", "kWh", "0.0005306", 1),
        ("1884.659", "kWh", "1000.0000654", 2),
        ("0", "kWh", "0", 0),
    ],
)
def test_a_line_of_electricity(amount, unit, emissions_kg, tonnes):
    shown, quantity = footprint([Activity("electricity", "grid", amount, unit)])
    assert (shown["emissions_kg"], quantity) == (emissions_kg, tonnes)
    [line] = shown["sources"]
    assert line["factor_kg"] == "0.5306"
    assert line["factor_year"] == 2023
    assert shown["factors_version"] == rules().version


@pytest.mark.parametrize(
    ("line", "field", "says"),
    [
        (Activity("wind", "grid", "1", "kWh"), "source", "electricity, heat, fuel"),
        (Activity("transport", "rocket", "1", "passenger_km"), "activity", "flight_domestic"),
        (Activity("electricity", "grid", "1", "km"), "unit", "kWh, MWh"),
        (Activity("electricity", "grid", "1", "kg"), "unit", "kWh, MWh"),
        *(
            (Activity("electricity", "grid", amount, "kWh"), "amount", "decimal")
            for amount in ("-1", "1e3", "01", "1.2345", "", " 1", "１", "9" * 13, "nan", ".5")
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_would_do(line, field, says):
    good = Activity("electricity", "grid", "1", "kWh")
    with pytest.raises(Refused) as refused:
        footprint([good, line])
    assert refused.value.field == f"sources[1].{field}"
    assert says in refused.value.detail
    assert refused.value.detail_zh not in (None, refused.value.detail)


def test_a_footprint_beyond_all_credits_is_refused():
    with pytest.raises(Refused, match="quantity_too_large"):
        footprint([Activity("catering", "beef", "9" * 12, "t")])


def test_every_figure_has_its_source_and_year():
    for factor in rules().factors:
        assert factor.source
        assert 2000 < factor.year <= 2026
        assert factor.milligrams > 0
        assert rules().units_of(factor)
    kinds = {factor.emission_source for factor in rules().factors}
    assert kinds == {
        *("electricity", "heat", "fuel", "transport"),
        *("accommodation", "catering", "materials", "waste"),
    }


@pytest.mark.parametrize(
    ("attendees", "size"), [(1, "small"), (999, "small"), (1_000, "large"), (5_000, "very_large")]
)
def test_sizes(attendees, size):
    assert rules().size(attendees) == size


@pytest.mark.parametrize(
    ("ends_at", "deadline"),
    [
        ("2026-12-01T09:00:00.000000Z", "2027-12-01T09:00:00.000000Z"),
        ("2028-02-29T09:00:00.000000Z", "2029-02-28T09:00:00.000000Z"),
    ],
)
def test_the_deadline_is_a_calendar_year_after_the_end(ends_at, deadline):
    assert format_time(rules().deadline_ns(parse_time(ends_at))) == deadline
