"""Volatility interruptions: how far a trade may lie from the last price, and what happens there."""

from __future__ import annotations

from typing import Any

from engine.codes import EventKind, Phase, Side
from engine.compiled import inlined, int64, kernel
from engine.matching.arrays import EngineArrays
from engine.matching.events import add_event
from engine.orderbook.ladder import ladder_index, ladder_price
from engine.risk import price_limits
from engine.units import NANOSECONDS_PER_SECOND

# Before the best level of any ladder.
_NOTHING_IN_REACH = -1


@inlined
def reach_of(arrays: EngineArrays, number: int, side: int, limit_ticks: int) -> Any:
    """The last index of the opposite ladder at which an order of `side` may trade now."""
    instrument = arrays.instruments[number]
    reach = ladder_index(arrays.book, number, 1 - side, limit_ticks)
    if instrument["volatility_ppm"] == 0:
        return reach
    return _reach_in_band(arrays, number, side, reach)


@inlined
def _anchor(arrays: EngineArrays, number: int) -> Any:
    """The price before the first order that the command in hand enters here."""
    progress, instrument = arrays.progress[0], arrays.instruments[number]
    is_known = progress["anchor_sequence"] == progress["sequence"]
    if not is_known or progress["anchor_instrument"] != number:
        progress["anchor_sequence"] = progress["sequence"]
        progress["anchor_instrument"] = number
        progress["anchor_ticks"] = instrument["last_price_ticks"]
        if instrument["last_price_ticks"] == 0:
            progress["anchor_ticks"] = instrument["reference_price_ticks"]
    return progress["anchor_ticks"]


@inlined
def _band(arrays: EngineArrays, number: int) -> Any:
    """The lowest and the highest price at which orders trade without an interruption."""
    volatility_ppm = int64(arrays.instruments[number]["volatility_ppm"])
    return price_limits(_anchor(arrays, number), volatility_ppm)


@kernel
def is_in_band(arrays: EngineArrays, number: int, price_ticks: int) -> Any:
    """Whether an order may trade at this price now without an interruption."""
    if arrays.instruments[number]["volatility_ppm"] == 0:
        return True
    lower_ticks, upper_ticks = _band(arrays, number)
    return lower_ticks <= price_ticks <= upper_ticks


@kernel
def _reach_in_band(arrays: EngineArrays, number: int, side: int, reach: int) -> Any:
    """The same, with an interruption ahead: matching itself knows nothing of it."""
    book = arrays.book
    lower_ticks, upper_ticks = _band(arrays, number)
    if side == Side.BUY:
        near = ladder_index(book, number, 1 - side, lower_ticks)
        far = ladder_index(book, number, 1 - side, upper_ticks)
    else:
        near = ladder_index(book, number, 1 - side, upper_ticks)
        far = ladder_index(book, number, 1 - side, lower_ticks)
    if book.sides[2 * number + 1 - side]["best"] < near:
        return int64(_NOTHING_IN_REACH)
    return min(reach, far)


@kernel
def interrupt(arrays: EngineArrays, row: int, number: int, side: int) -> None:
    """Go over to a call auction, because an order of `side` would trade too far off."""
    instrument = arrays.instruments[number]
    progress = arrays.progress[0]
    time_ns = arrays.commands.headers[row]["time_ns"]
    ends_at_ns = time_ns + int64(instrument["interruption_seconds"]) * NANOSECONDS_PER_SECOND
    instrument["phase"] = Phase.CALL_AUCTION
    instrument["is_interrupted"] = 1
    instrument["ends_at_ns"] = ends_at_ns
    instrument["cancel_until_ns"] = 0
    progress["next_interruption_end_ns"] = min(progress["next_interruption_end_ns"], ends_at_ns)
    best = arrays.book.sides[2 * number + 1 - side]["best"]
    place = add_event(arrays, row, EventKind.VOLATILITY_INTERRUPTED, number)
    event = arrays.events.auctions[place]
    event["price_ticks"] = ladder_price(arrays.book, number, 1 - side, best)
    event["ends_at_ns"] = ends_at_ns
    event["phase"] = Phase.CALL_AUCTION
