"""A market for a benchmark: one instrument, a buying and a selling account, all checks on."""

from __future__ import annotations

import numpy as np

from engine.codes import CommandKind, Phase
from engine.matching.engine import Engine
from engine.packed_texts import pack_text
from engine.records import ADMIN_COMMAND, COMMAND, INSTRUMENT_COMMAND
from engine.units import MAX_LADDER_LEVELS, MAX_TOTAL_CASH_FEN, MAX_TOTAL_CREDITS_LOTS, ONE_MILLION

INSTRUMENT = 1
BUYER = 1
SELLER = 2
# Prices from 1 tick to just below 2^18, as many as the widest ladder holds.
_REFERENCE_PRICE_TICKS = MAX_LADDER_LEVELS // 2
_MAXIMUM_ORDER_LOTS = 2**27
_FEE_PPM = 500


def open_market(engine: Engine) -> int:
    """Define the instrument, fund the accounts and open trading; the last sequence used."""
    symbol_high, symbol_low = pack_text("BENCH")
    instrument = np.zeros(1, INSTRUMENT_COMMAND)
    for name, value in {
        "kind": CommandKind.DEFINE_INSTRUMENT,
        "instrument": INSTRUMENT,
        "symbol_high": symbol_high,
        "symbol_low": symbol_low,
        "reference_price_ticks": _REFERENCE_PRICE_TICKS,
        "maximum_order_lots": _MAXIMUM_ORDER_LOTS,
        "maximum_holding_lots": MAX_TOTAL_CREDITS_LOTS,
        "tick_fen": 1,
        "price_limit_ppm": ONE_MILLION - 1,
        "maker_fee_ppm": _FEE_PPM,
        "taker_fee_ppm": _FEE_PPM,
        "ladder_levels": MAX_LADDER_LEVELS,
        "trading_day": 1,
    }.items():
        instrument[name] = value
    commands = np.concatenate(
        [
            instrument.view(COMMAND),
            _admin(CommandKind.OPEN_ACCOUNT, account=BUYER),
            _admin(CommandKind.OPEN_ACCOUNT, account=SELLER),
            _admin(CommandKind.DEPOSIT_CASH, account=BUYER, amount_fen=MAX_TOTAL_CASH_FEN),
            _admin(
                CommandKind.DEPOSIT_CREDITS,
                account=SELLER,
                instrument=INSTRUMENT,
                quantity_lots=MAX_TOTAL_CREDITS_LOTS,
            ),
            _admin(CommandKind.SET_PHASE, instrument=INSTRUMENT, phase=Phase.CONTINUOUS),
        ]
    )
    commands["sequence"] = np.arange(1, len(commands) + 1)
    events = engine.apply(commands)
    assert not events["code"].any(), "the market could not be opened"
    return len(commands)


def _admin(kind: CommandKind, **fields: int) -> np.ndarray:
    command = np.zeros(1, ADMIN_COMMAND)
    command["kind"] = kind
    for name, value in fields.items():
        command[name] = value
    return command.view(COMMAND)
