"""Stop orders whose price was reached: they enter the book, one after the other.

A pending stop holds what it needs like a resting order, outside the book (see orderbook/ladder.py).
"""

from __future__ import annotations

from typing import Any

from engine.codes import EventKind, Phase, Reason, Resting
from engine.compiled import inlined, int64, kernel
from engine.matching.arrays import EngineArrays
from engine.matching.continuous import best_is_reached, enter_apart, first_opposite
from engine.matching.events import add_event, describe_order
from engine.matching.lifecycle import leave_book_apart
from engine.orderbook.ladder import stop_book


@inlined
def trigger_stops(arrays: EngineArrays, row: int, instrument: int) -> None:
    """Enter all stop orders of an instrument that its last price has reached.

    To be called when a command is done with what may have traded or brought a stop.
    """
    if arrays.book.pool[0]["pending_stops"] != 0:
        _trigger_stops(arrays, row, instrument)


@kernel
def _trigger_stops(arrays: EngineArrays, row: int, instrument: int) -> None:
    """Each may move the last price, so that every step begins with the question for the next."""
    slot = _next_triggered(arrays, instrument)
    while slot != 0:
        leave_book_apart(arrays, slot)
        order = arrays.book.orders[slot]
        order["resting"] = Resting.BOOK
        arrays.book.details[slot]["entered_time_ns"] = arrays.commands.headers[row]["time_ns"]
        place = add_event(arrays, row, EventKind.ORDER_TRIGGERED, instrument)
        limit_ticks, lots = int64(order["price_ticks"]), int64(order["remaining_lots"])
        describe_order(arrays, place, slot, limit_ticks, lots, int64(Reason.NONE))
        enter_apart(arrays, row, slot, limit_ticks, int64(0))
        slot = _next_triggered(arrays, instrument)


@inlined
def _next_triggered(arrays: EngineArrays, instrument: int) -> Any:
    """The slot of the stop that enters next, 0 if none does: buy stops come before sell stops."""
    last_ticks = arrays.instruments[instrument]["last_price_ticks"]
    if last_ticks == 0 or arrays.instruments[instrument]["phase"] != Phase.CONTINUOUS:
        return int64(0)
    stops = stop_book(arrays.book, instrument)
    for side in range(2):
        if best_is_reached(arrays.book, stops, side, last_ticks):
            return first_opposite(arrays.book, stops, side)
    return int64(0)
