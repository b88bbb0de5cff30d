"""DEFINE_INSTRUMENT, SET_PHASE and ROLL_DAY."""

from __future__ import annotations

from typing import Any

from engine.accounts import unlock_credits
from engine.codes import Code, EventKind, InstrumentFlag, Phase, Reason, Side, TimeInForce
from engine.compiled import inlined, int64, kernel
from engine.matching.arrays import EngineArrays
from engine.matching.auction import change_phase
from engine.matching.events import add_payload_reply, add_reply, refuse
from engine.matching.identity import is_defined
from engine.matching.mass_cancel import EMPTY_RANGE, Filter, cancel_matching
from engine.matching.stops import trigger_stops
from engine.orderbook.ladder import move_ladders, open_ladders
from engine.risk import price_limits
from engine.units import (
    MAX_FEE_PPM,
    MAX_LADDER_LEVELS,
    MAX_NOTIONAL_FEN,
    MAX_PRICE_TICKS,
    MAX_QUANTITY_LOTS,
    MAX_TICK_FEN,
    MAX_TOTAL_CREDITS_LOTS,
    MAX_TRADING_DAY,
    ONE_MILLION,
)

_FLAGS = int(InstrumentFlag.RESALE_LOCK | InstrumentFlag.LISTED_SELECTION)
_MIN_LADDER_LEVELS = 64


@inlined
def _limits_fit(
    lower_ticks: int, upper_ticks: int, levels: int, tick_fen: int, maximum_order_lots: int
) -> Any:
    """Whether the ladder holds all prices, and no notional leaves its bound."""
    if upper_ticks - lower_ticks + 1 > levels:
        return False
    # Divided instead of multiplied, because the product might not fit 64 bits.
    return maximum_order_lots <= MAX_NOTIONAL_FEN // (upper_ticks * tick_fen)


@inlined
def _is_well_formed(command: Any, pool_size: int) -> Any:
    """Checks of DEFINE_INSTRUMENT that need no state, but for the price limits."""
    levels = command["ladder_levels"]
    if not 1 <= command["instrument"] < pool_size:
        return False
    if command["symbol_high"] == 0 and command["symbol_low"] == 0:
        return False
    if not 1 <= command["reference_price_ticks"] <= MAX_PRICE_TICKS:
        return False
    if not 1 <= command["tick_fen"] <= MAX_TICK_FEN:
        return False
    if not 0 <= command["price_limit_ppm"] < ONE_MILLION:
        return False
    if not 0 <= command["maker_fee_ppm"] <= MAX_FEE_PPM:
        return False
    if not 0 <= command["taker_fee_ppm"] <= MAX_FEE_PPM:
        return False
    if not _MIN_LADDER_LEVELS <= levels <= MAX_LADDER_LEVELS or levels & (levels - 1) != 0:
        return False
    if not 1 <= command["maximum_order_lots"] <= MAX_QUANTITY_LOTS:
        return False
    if not 1 <= command["maximum_holding_lots"] <= MAX_TOTAL_CREDITS_LOTS:
        return False
    if not 0 <= command["trading_day"] <= MAX_TRADING_DAY:
        return False
    return command["flags"] & ~_FLAGS == 0


@kernel
def define_instrument(arrays: EngineArrays, row: int) -> None:
    """DEFINE_INSTRUMENT."""
    command = arrays.commands.instruments[row]
    number = int64(command["instrument"])
    levels = int64(command["ladder_levels"])
    lower_ticks, upper_ticks = int64(1), int64(1)
    code = Code.INVALID_REQUEST
    if _is_well_formed(command, len(arrays.instruments)):
        lower_ticks, upper_ticks = price_limits(
            command["reference_price_ticks"], int64(command["price_limit_ppm"])
        )
        tick_fen = int64(command["tick_fen"])
        if _limits_fit(lower_ticks, upper_ticks, levels, tick_fen, command["maximum_order_lots"]):
            code = Code.OK
    if code == Code.OK and is_defined(arrays, number):
        code = Code.CONFLICT
    levels_free = len(arrays.book.levels) // 4 - arrays.book.pool[0]["levels_used"]
    if code == Code.OK and levels > levels_free:
        code = Code.ENGINE_FULL
    if code != Code.OK:
        refuse(arrays, row, code, 0)
        return

    # Nothing can fail from here on.
    progress = arrays.progress[0]
    progress["instruments"] = max(progress["instruments"], number)
    open_ladders(arrays.book, number, levels, lower_ticks)
    instrument = arrays.instruments[number]
    instrument["is_defined"] = 1
    instrument["phase"] = Phase.CLOSED
    _describe(instrument, command, lower_ticks, upper_ticks)
    place = add_reply(arrays, row, EventKind.INSTRUMENT_DEFINED, number)
    _describe(arrays.events.instruments[place], command, lower_ticks, upper_ticks)


@inlined
def _describe(record: Any, command: Any, lower_ticks: int, upper_ticks: int) -> None:
    """Copy an instrument's rules into its state or its event, which name them alike."""
    record["symbol_high"] = command["symbol_high"]
    record["symbol_low"] = command["symbol_low"]
    record["reference_price_ticks"] = command["reference_price_ticks"]
    record["lower_limit_ticks"] = lower_ticks
    record["upper_limit_ticks"] = upper_ticks
    record["maximum_order_lots"] = command["maximum_order_lots"]
    record["maximum_holding_lots"] = command["maximum_holding_lots"]
    record["tick_fen"] = command["tick_fen"]
    record["price_limit_ppm"] = command["price_limit_ppm"]
    record["maker_fee_ppm"] = command["maker_fee_ppm"]
    record["taker_fee_ppm"] = command["taker_fee_ppm"]
    record["ladder_levels"] = command["ladder_levels"]
    record["trading_day"] = command["trading_day"]
    record["flags"] = command["flags"]


@kernel
def set_phase(arrays: EngineArrays, row: int) -> None:
    """SET_PHASE."""
    command = arrays.commands.admin[row]
    number = int64(command["instrument"])
    ends_at_ns, cancel_until_ns = command["ends_at_ns"], command["cancel_until_ns"]
    if command["phase"] > Phase.HALTED or ends_at_ns < 0 or cancel_until_ns < 0:
        refuse(arrays, row, Code.INVALID_REQUEST, 0)
        return
    if not is_defined(arrays, number):
        refuse(arrays, row, Code.UNKNOWN_INSTRUMENT, 0)
        return
    instrument = arrays.instruments[number]
    place = add_reply(arrays, row, EventKind.PHASE_CHANGED, number)
    event = arrays.events.auctions[place]
    event["phase"] = command["phase"]
    instrument["ends_at_ns"] = event["ends_at_ns"] = ends_at_ns
    instrument["cancel_until_ns"] = event["cancel_until_ns"] = cancel_until_ns
    change_phase(arrays, row, number, int64(command["phase"]))
    if command["phase"] == Phase.CLOSED:
        day_orders = _orders_of(number, int64(TimeInForce.DAY), EMPTY_RANGE)
        cancel_matching(arrays, row, day_orders, int64(Reason.DAY_EXPIRED))
    trigger_stops(arrays, row, number)


@kernel
def roll_day(arrays: EngineArrays, row: int) -> None:
    """ROLL_DAY."""
    command = arrays.commands.admin[row]
    number = int64(command["instrument"])
    reference_ticks = command["reference_price_ticks"]
    is_in_bounds = 1 <= reference_ticks <= MAX_PRICE_TICKS
    if not is_in_bounds or command["trading_day"] > MAX_TRADING_DAY:
        refuse(arrays, row, Code.INVALID_REQUEST, 0)
        return
    if not is_defined(arrays, number):
        refuse(arrays, row, Code.UNKNOWN_INSTRUMENT, 0)
        return
    instrument = arrays.instruments[number]
    is_later = command["trading_day"] > instrument["trading_day"]
    if instrument["phase"] != Phase.CLOSED or not is_later:
        refuse(arrays, row, Code.CONFLICT, 0)
        return
    lower_ticks, upper_ticks = price_limits(reference_ticks, int64(instrument["price_limit_ppm"]))
    if not _limits_fit(
        lower_ticks,
        upper_ticks,
        int64(instrument["ladder_levels"]),
        int64(instrument["tick_fen"]),
        instrument["maximum_order_lots"],
    ):
        refuse(arrays, row, Code.INVALID_REQUEST, 0)
        return

    # Nothing can fail from here on.
    place = add_payload_reply(arrays, row, EventKind.DAY_ROLLED)
    event = arrays.events.admin[place]
    event["lower_limit_ticks"] = lower_ticks
    event["upper_limit_ticks"] = upper_ticks
    outside = _orders_of(number, int64(0), (lower_ticks, upper_ticks))
    cancel_matching(arrays, row, outside, int64(Reason.PRICE_LIMITS_MOVED))
    move_ladders(arrays.book, number, lower_ticks)
    instrument["reference_price_ticks"] = reference_ticks
    instrument["lower_limit_ticks"] = lower_ticks
    instrument["upper_limit_ticks"] = upper_ticks
    instrument["trading_day"] = command["trading_day"]
    unlock_credits(arrays.balances, number)


@inlined
def _orders_of(instrument: int, time_in_force: int, prices: tuple[int, int]) -> Any:
    """The orders of an instrument outside a range of prices; a time in force of 0 takes all."""
    any_value = int64(0)
    return Filter(
        any_value,
        instrument,
        int64(Side.ANY),
        any_value,
        any_value,
        any_value,
        time_in_force,
        int64(prices[0]),
        int64(prices[1]),
        any_value,
    )
