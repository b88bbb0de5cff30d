"""The bounds: at their extremes no product and no sum of the engine leaves int64."""

from engine.units import (
    MAX_FEE_PPM,
    MAX_LADDER_LEVELS,
    MAX_NOTIONAL_FEN,
    MAX_ORDER_NUMBER,
    MAX_PRICE_TICKS,
    MAX_QUANTITY_LOTS,
    MAX_TICK_FEN,
    MAX_TOTAL_CASH_FEN,
    MAX_TOTAL_CREDITS_LOTS,
    ONE_MILLION,
    ORDER_SLOT_BITS,
)

INT64_MAX = 2**63 - 1


def test_products_stay_in_int64() -> None:
    """Fees, limits and a price in fen."""
    assert MAX_NOTIONAL_FEN * MAX_FEE_PPM <= INT64_MAX
    assert MAX_PRICE_TICKS * 2 * ONE_MILLION <= INT64_MAX
    assert 2 * MAX_PRICE_TICKS * MAX_TICK_FEN <= INT64_MAX


def test_sums_stay_in_int64() -> None:
    """All the cash with a hold beside it; all credits with all that is being bought."""
    hold = MAX_NOTIONAL_FEN + MAX_NOTIONAL_FEN * MAX_FEE_PPM // ONE_MILLION
    assert MAX_TOTAL_CASH_FEN * 2 + hold <= INT64_MAX
    assert MAX_TOTAL_CREDITS_LOTS * 4 + MAX_QUANTITY_LOTS <= INT64_MAX


def test_an_order_id_is_positive_and_holds_number_and_slot() -> None:
    """39 bits of number over 24 bits of slot."""
    highest = MAX_ORDER_NUMBER << ORDER_SLOT_BITS | (1 << ORDER_SLOT_BITS) - 1
    assert highest == INT64_MAX


def test_a_ladder_is_a_power_of_two() -> None:
    """So that its bitmap has no ragged end."""
    assert MAX_LADDER_LEVELS & (MAX_LADDER_LEVELS - 1) == 0
