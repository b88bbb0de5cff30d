"""Decimal strings and texts at the edge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import schemas
from api.errors import Problem
from api.instruments import Instrument
from engine.codes import InstrumentFlag, Phase
from engine.decimals import format_price
from engine.units import MAX_PRICE_TICKS, MAX_QUANTITY_LOTS

INSTRUMENT = Instrument(
    number=1,
    symbol="GD-PHCER",
    tick_fen=5,
    reference_price_ticks=1_000,
    lower_limit_ticks=900,
    upper_limit_ticks=1_100,
    price_limit_ppm=100_000,
    maximum_order_lots=1_000,
    maximum_holding_lots=10_000,
    maker_fee_ppm=0,
    taker_fee_ppm=500,
    trading_day=20_000,
    flags=InstrumentFlag.RESALE_LOCK,
    phase=Phase.CONTINUOUS,
)


@given(st.integers(1, MAX_PRICE_TICKS), st.sampled_from([1, 5, 25, 100]))
def test_a_price_comes_back_as_it_went_out(price_ticks: int, tick_fen: int) -> None:
    """Formatting and parsing are inverse for every tick."""
    instrument = replace(INSTRUMENT, tick_fen=tick_fen)
    text = format_price(price_ticks, tick_fen)
    if tick_fen == 100:
        text = text.removesuffix(".00")
    assert schemas.parse_order_price(text, instrument) == price_ticks


@given(st.integers(1, MAX_QUANTITY_LOTS))
def test_a_quantity_is_its_digits(quantity_lots: int) -> None:
    """Every quantity in bounds is read exactly."""
    assert schemas.parse_quantity(str(quantity_lots)) == quantity_lots


@pytest.mark.parametrize(
    ("parse", "text", "code"),
    [
        (schemas.parse_quantity, "0", "invalid_request"),
        (schemas.parse_quantity, "1.5", "quantity_off_lot"),
        (schemas.parse_quantity, str(2**31), "quantity_too_large"),
        (schemas.parse_amount, "0.00", "invalid_request"),
        (schemas.parse_amount, "0.001", "invalid_request"),
        (schemas.parse_amount, str(2**60), "invalid_request"),
        (lambda text: schemas.parse_order_price(text, INSTRUMENT), "50.01", "price_off_tick"),
        (lambda text: schemas.parse_order_price(text, INSTRUMENT), "0.00", "invalid_request"),
        (lambda text: schemas.parse_ratio_ppm(text, "fee"), "0.0000001", "invalid_request"),
        (lambda text: schemas.parse_ratio_ppm(text, "fee"), "-0.1", "invalid_request"),
        (schemas.parse_client_id, "", "invalid_request"),
        (schemas.parse_client_id, "1234567890123456 ", "invalid_request"),
        (lambda text: schemas.plain_text(text, "name", 5), "", "invalid_request"),
        (lambda text: schemas.plain_text(text, "name", 5), "123456", "invalid_request"),
        (lambda text: schemas.plain_text(text, "name", 5), " a", "invalid_request"),
        (lambda text: schemas.plain_text(text, "name", 5), "a\u200b", "invalid_request"),
        (lambda text: schemas.plain_text(text, "name", 5), "e\u0301", "invalid_request"),
    ],
)
def test_wrong_texts_have_their_codes(parse: Any, text: str, code: str) -> None:
    """Each parser refuses with the code of the contract."""
    with pytest.raises(Problem) as refused:
        parse(text)
    assert refused.value.code == code


def test_ratios_and_holds_are_exact() -> None:
    """A ratio is parts per million; a hold is the notional and the greater fee, rounded down."""
    assert schemas.parse_ratio_ppm("0.1", "limit") == 100_000
    assert schemas.parse_ratio_ppm("1", "limit") == 1_000_000
    assert schemas.parse_ratio_ppm("0.000001", "limit") == 1
    # 1,000 ticks of 5 fen for 3 lots are 15,000 fen; 0.05 % of it is 7.5.
    assert INSTRUMENT.hold_fen(1_000, 3) == 15_007
