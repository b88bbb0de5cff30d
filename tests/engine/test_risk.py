"""What orders hold and what they are refused for, at the bounds."""

from typing import Any

import numpy as np
import pytest

from engine.accounts import BalanceArrays, add_allowance, add_position, allocate_balances
from engine.codes import Code, Phase, Side
from engine.risk import (
    check_allowance,
    check_means,
    check_phase,
    check_quantity_and_price,
    fee_of,
    hold_of,
)
from engine.state import EngineLimits
from engine.state_records import INSTRUMENT_STATE
from engine.units import MAX_FEE_PPM, MAX_NOTIONAL_FEN

LIMITS = EngineLimits(
    orders=8, accounts=4, positions=4, allowances=4, instruments=2, ladder_levels=64
)


def _instrument(**fields: int) -> Any:
    instruments = np.zeros(1, INSTRUMENT_STATE)
    for name, value in fields.items():
        instruments[name] = value
    return instruments[0]


@pytest.fixture
def balances() -> BalanceArrays:
    """Account 1 with cash 1,000 fen, and a position of 5 available, 3 held, 2 locked, 4 buying."""
    balances = allocate_balances(LIMITS)
    balances.accounts[1]["available_fen"] = 1_000
    row = balances.positions[add_position(balances, 1, 1)]
    row["available_lots"], row["held_lots"], row["locked_lots"], row["buying_lots"] = 5, 3, 2, 4
    return balances


@pytest.mark.parametrize(
    ("notional_fen", "fee_ppm", "fee_fen"),
    [
        (0, 500, 0),
        (1_999, 500, 0),
        (2_000, 500, 1),
        (3_999, 500, 1),
        (10**6, 0, 0),
        (MAX_NOTIONAL_FEN, MAX_FEE_PPM, MAX_NOTIONAL_FEN // 10),
    ],
)
def test_fees_are_rounded_down(notional_fen: int, fee_ppm: int, fee_fen: int) -> None:
    """Fractions of a fen are given away, and the largest product still fits 64 bits."""
    assert fee_of(notional_fen, fee_ppm) == fee_fen


@pytest.mark.parametrize(("maker_ppm", "taker_ppm"), [(0, 1_000), (1_000, 0), (1_000, 1_000)])
def test_the_hold_covers_the_higher_fee(maker_ppm: int, taker_ppm: int) -> None:
    """Nobody knows on entry whether an order will make or take."""
    instrument = _instrument(tick_fen=10, maker_fee_ppm=maker_ppm, taker_fee_ppm=taker_ppm)
    assert hold_of(instrument, np.int64(5_000), np.int64(3)) == 150_000 + 150


@pytest.mark.parametrize(
    ("phase", "code"),
    [
        (Phase.CONTINUOUS, Code.OK),
        (Phase.HALTED, Code.MARKET_HALTED),
        (Phase.CLOSED, Code.MARKET_CLOSED),
        (Phase.PRE_OPEN, Code.MARKET_CLOSED),
        (Phase.CALL_AUCTION, Code.OK),
    ],
)
def test_orders_are_entered_in_trading_and_auctions_only(phase: Phase, code: Code) -> None:
    """Each phase has its code."""
    assert check_phase(_instrument(phase=phase)) == code


@pytest.mark.parametrize(
    ("lots", "price_ticks", "code"),
    [
        (10, 90, Code.OK),
        (10, 110, Code.OK),
        (11, 110, Code.QUANTITY_TOO_LARGE),
        (10, 89, Code.PRICE_OUTSIDE_LIMITS),
        (10, 111, Code.PRICE_OUTSIDE_LIMITS),
        (11, 111, Code.QUANTITY_TOO_LARGE),
    ],
)
def test_limits_include_their_ends(lots: int, price_ticks: int, code: Code) -> None:
    """The maximum and both limits are allowed; the quantity is looked at first."""
    instrument = _instrument(maximum_order_lots=10, lower_limit_ticks=90, upper_limit_ticks=110)
    assert check_quantity_and_price(instrument, np.int64(lots), np.int64(price_ticks)) == code


@pytest.mark.parametrize(
    ("side", "lots", "hold_fen", "own_lots", "own_hold_fen", "code"),
    [
        (Side.BUY, 6, 1_000, 0, 0, Code.OK),
        (Side.BUY, 7, 1_000, 0, 0, Code.MAX_HOLDING_EXCEEDED),
        (Side.BUY, 7, 1_000, 1, 0, Code.OK),
        (Side.BUY, 6, 1_001, 0, 0, Code.INSUFFICIENT_FUNDS),
        (Side.BUY, 6, 1_001, 0, 1, Code.OK),
        (Side.BUY, 7, 1_001, 0, 0, Code.MAX_HOLDING_EXCEEDED),
        (Side.SELL, 5, 0, 0, 0, Code.OK),
        (Side.SELL, 6, 0, 0, 0, Code.RESALE_LOCKED),
        (Side.SELL, 7, 0, 0, 0, Code.RESALE_LOCKED),
        (Side.SELL, 8, 0, 0, 0, Code.INSUFFICIENT_CREDITS),
        (Side.SELL, 8, 0, 3, 0, Code.OK),
        (Side.SELL, 10, 0, 3, 0, Code.RESALE_LOCKED),
    ],
)
def test_means_are_counted_with_ones_own_order_given_back(
    balances: BalanceArrays,
    side: Side,
    lots: int,
    hold_fen: int,
    own_lots: int,
    own_hold_fen: int,
    code: Code,
) -> None:
    """All that is owned or being bought counts against the maximum; then cash, or credits."""
    instrument = _instrument(maximum_holding_lots=20)
    found = check_means(
        balances,
        instrument,
        np.int64(side),
        1,
        1,
        np.int64(lots),
        np.int64(hold_fen),
        np.int64(own_lots),
        np.int64(own_hold_fen),
    )
    assert found == code


def test_a_cap_counts_what_is_used_held_and_open(balances: BalanceArrays) -> None:
    """An order fits up to the cap; without a cap there is no eligibility."""
    row = add_allowance(balances, 1, 1)
    allowance = balances.allowances[row]
    allowance["cap_lots"], allowance["used_lots"] = 10, 2
    allowance["held_lots"], allowance["open_lots"] = 3, 1
    for lots, own_lots, code in (
        (4, 0, Code.OK),
        (5, 0, Code.OFFSET_CAP_EXCEEDED),
        (5, 1, Code.OK),
    ):
        assert check_allowance(balances, row, np.int64(lots), np.int64(own_lots)) == code
    assert check_allowance(balances, np.int64(0), np.int64(1), np.int64(0)) == Code.NOT_ELIGIBLE
