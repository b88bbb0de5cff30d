"""How large the market of a generated flow is: plain, tight, or close to every bound."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from hypothesis import strategies as st

from engine.codes import InstrumentFlag
from engine.state import EngineLimits
from engine.units import (
    MAX_FEE_PPM,
    MAX_PRICE_TICKS,
    MAX_TICK_FEN,
    MAX_TOTAL_CASH_FEN,
    MAX_TOTAL_CREDITS_LOTS,
)


class Scale(NamedTuple):
    """How large a flow's market is: the engine's pools, its two instruments, its amounts."""

    limits: EngineLimits
    instruments: dict[int, dict[str, int]]
    cash_fen: int  # of each account
    credits_lots: int
    lots: int = 1  # quantities are multiples of it


_PLAIN = {
    1: {
        "reference_price_ticks": 100,
        "maker_fee_ppm": 100,
        "taker_fee_ppm": 31_337,
        "flags": InstrumentFlag.RESALE_LOCK,
    },
    2: {
        "reference_price_ticks": 1_000,
        "price_limit_ppm": 20_000,
        "tick_fen": 7,
        "flags": InstrumentFlag.LISTED_SELECTION,
    },
}
# Roomy enough for most flows.
ROOMY_LIMITS = EngineLimits(
    orders=128, accounts=16, positions=32, allowances=8, instruments=6, ladder_levels=512
)
ROOMY = Scale(
    ROOMY_LIMITS,
    _PLAIN,
    cash_fen=300_000,
    credits_lots=120,
)
# Every pool fills in most flows.
TIGHT = ROOMY._replace(
    limits=EngineLimits(
        orders=9, accounts=6, positions=6, allowances=2, instruments=4, ladder_levels=192
    )
)
# Prices, notionals, fees, cash and credits close to the bounds of engine.units.
HUGE = Scale(
    replace(ROOMY_LIMITS, ladder_levels=131_072),
    {
        1: {
            "reference_price_ticks": MAX_PRICE_TICKS - 60,
            "price_limit_ppm": 10,
            "maximum_order_lots": 16_380,
            "maximum_holding_lots": MAX_TOTAL_CREDITS_LOTS,
            "maker_fee_ppm": MAX_FEE_PPM,
            "ladder_levels": 65_536,
            "flags": InstrumentFlag.RESALE_LOCK | InstrumentFlag.LISTED_SELECTION,
        },
        2: {
            "reference_price_ticks": 11_000,
            "price_limit_ppm": 50_000,
            "tick_fen": MAX_TICK_FEN,
            "maximum_order_lots": 3_000,
            "maximum_holding_lots": MAX_TOTAL_CREDITS_LOTS,
            "taker_fee_ppm": MAX_FEE_PPM,
            "ladder_levels": 2_048,
        },
    },
    cash_fen=MAX_TOTAL_CASH_FEN // 4 - 1_000_000,
    credits_lots=MAX_TOTAL_CREDITS_LOTS // 4 - 1_000,
    lots=75,
)
scales = st.sampled_from([ROOMY, TIGHT, HUGE])
