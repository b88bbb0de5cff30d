"""Decimal text to integers and back: exactly, or not at all."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.decimals import (
    NotDecimalError,
    OffStepError,
    format_fen,
    format_price,
    parse_fen,
    parse_lots,
    parse_price,
)


@pytest.mark.parametrize(
    ("text", "fen"),
    [
        ("0", 0),
        ("0.00", 0),
        ("0.1", 10),
        ("0.01", 1),
        ("12.3", 1_230),
        ("52.30", 5_230),
        ("999999999999999999.99", 99_999_999_999_999_999_999),
    ],
)
def test_money_is_parsed_to_the_fen(text: str, fen: int) -> None:
    """With no, one or two decimals."""
    assert parse_fen(text) == fen


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "-1", "+1", "-0", "1e3", "1E3", "01", "00", ".5", "5.", "1_000", "1,000", " 1",
        "1 ", "1\n", "NaN", "Infinity", "-Infinity", "0x10", "١", "１", "1.0.0", "1.１",
        "null", "true",
        "1" * 19, "9" * 5_000, "1." + "0" * 19, "50.100", "50.000",
    ],
)  # fmt: skip
def test_what_is_not_a_plain_decimal_is_refused(text: str) -> None:
    """Signs, exponents, padding, other digits, endless ones."""
    with pytest.raises(NotDecimalError):
        parse_fen(text)


@pytest.mark.parametrize("text", ["0.001", "50.101", "1.005", "0.0000000000001"])
def test_parts_of_a_fen_are_refused(text: str) -> None:
    """A proper decimal, but between two steps."""
    with pytest.raises(OffStepError):
        parse_fen(text)


@pytest.mark.parametrize(
    ("text", "tick_fen", "ticks"),
    [("50.00", 1, 5_000), ("50.5", 50, 101), ("0.05", 5, 1), ("7", 7, 100), ("3", 100, 3)],
)
def test_prices_are_counted_in_ticks(text: str, tick_fen: int, ticks: int) -> None:
    """However large the tick is."""
    assert parse_price(text, tick_fen) == ticks


@pytest.mark.parametrize(
    ("text", "tick_fen"), [("50.01", 5), ("50.25", 50), ("1", 7), ("0.50", 100)]
)
def test_prices_between_two_ticks_are_refused(text: str, tick_fen: int) -> None:
    """Not rounded."""
    with pytest.raises(OffStepError):
        parse_price(text, tick_fen)


@pytest.mark.parametrize(("text", "lots"), [("0", 0), ("1", 1), ("100000", 100_000)])
def test_quantities_are_whole(text: str, lots: int) -> None:
    """One lot is one tonne."""
    assert parse_lots(text) == lots


@pytest.mark.parametrize(
    ("text", "error"), [("1.5", OffStepError), ("1.0", NotDecimalError), ("1.00", NotDecimalError)]
)
def test_parts_of_a_lot_are_refused(text: str, error: type[ValueError]) -> None:
    """So is a whole number written with decimals."""
    with pytest.raises(error):
        parse_lots(text)


@pytest.mark.parametrize(
    ("fen", "text"),
    [(0, "0.00"), (7, "0.07"), (-7, "-0.07"), (-100, "-1.00"), (123_456, "1234.56")],
)
def test_money_is_written_with_two_decimals(fen: int, text: str) -> None:
    """Also below zero, as ledgers need it."""
    assert format_fen(fen) == text


@given(st.integers(0, 2**60))
def test_money_survives_the_way_out_and_in(fen: int) -> None:
    """Every amount that the engine can hold."""
    assert parse_fen(format_fen(fen)) == fen


@given(
    st.integers(1, 2**31 - 1),
    st.integers(1, 10**6).filter(lambda tick_fen: tick_fen % 100 != 0),
)
def test_prices_survive_the_way_out_and_in(price_ticks: int, tick_fen: int) -> None:
    """Every price with every tick that has decimals."""
    assert parse_price(format_price(price_ticks, tick_fen), tick_fen) == price_ticks


@given(st.text(max_size=30))
def test_any_text_gives_a_number_or_one_of_two_errors(text: str) -> None:
    """Nothing else escapes."""
    with suppress(NotDecimalError, OffStepError):
        assert parse_fen(text) >= 0
