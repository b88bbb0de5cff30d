"""The one compiled entry: a whole batch of commands, one after the other."""

from __future__ import annotations

from typing import Any

from engine.codes import Code, CommandKind, Resting
from engine.compiled import entry_point, inlined, int64
from engine.matching.administration import administer
from engine.matching.amendments import amend_order, cancel_order
from engine.matching.arrays import FIRST_ROWS, EngineArrays
from engine.matching.continuous import enter
from engine.matching.descriptors import load_arrays
from engine.matching.events import refuse
from engine.matching.identity import fetch_client_id, fetch_order
from engine.matching.lifecycle import rest
from engine.matching.mass_cancel import cancel_all, expire_orders
from engine.matching.orders import new_order
from engine.matching.quotes import set_quote
from engine.matching.stops import trigger_stops
from engine.orderbook.client_ids import MOVED_PER_COMMAND, move_client_ids

# So many commands ahead of the one in hand, memory that they will need is asked for.
_FAR_AHEAD = 16
_AHEAD = 6
assert _AHEAD < _FAR_AHEAD < FIRST_ROWS


@entry_point
def apply_batch(address: int, count: int) -> Any:
    """Apply the first `count` commands of the buffer and give the number of events.

    A command out of sequence ends the batch: less than 0, and it and what follows is not applied.
    `address` is what `describe` gave for the engine's arrays.
    """
    return _apply_batch(load_arrays(address), count)


@inlined
def _apply_batch(arrays: EngineArrays, count: int) -> Any:
    progress = arrays.progress[0]
    progress["events"] = 0
    if len(arrays.client_ids.old_entries) != 0:
        move_client_ids(arrays.client_ids, MOVED_PER_COMMAND * count)
    for row in range(min(count, _FAR_AHEAD)):
        fetch_client_id(arrays, row)
    for row in range(count):
        if row + _FAR_AHEAD < count:
            fetch_client_id(arrays, row + _FAR_AHEAD)
        if row + _AHEAD < count:
            fetch_order(arrays, row + _AHEAD)
        command = arrays.commands.headers[row]
        if command["sequence"] != progress["sequence"] + 1:
            return -1
        progress["sequence"] += 1
        progress["time_ns"] = command["time_ns"]
        _apply(arrays, row, int64(command["kind"]))
    return progress["events"]


@inlined
def _apply(arrays: EngineArrays, row: int, kind: int) -> None:
    """One command, by its kind."""
    if kind == CommandKind.CANCEL_ORDER:
        cancel_order(arrays, row)
    elif kind <= CommandKind.REPLACE_ORDER and kind != 0:
        minimum_lots = int64(0)
        if kind == CommandKind.NEW_ORDER:
            slot, limit_ticks = new_order(arrays, row)
            minimum_lots = arrays.commands.orders[row]["minimum_quantity_lots"]
        else:
            slot, limit_ticks = amend_order(arrays, row)
        if slot != 0:
            order = arrays.book.orders[slot]
            if order["resting"] == Resting.BOOK:
                enter(arrays, row, slot, limit_ticks, minimum_lots)
            else:
                rest(arrays, slot, int64(order["remaining_lots"]))
            trigger_stops(arrays, row, int64(order["instrument"]))
    elif kind == CommandKind.SET_QUOTE:
        set_quote(arrays, row)
    elif kind == CommandKind.CANCEL_ALL:
        cancel_all(arrays, row)
    elif kind == CommandKind.EXPIRE_ORDERS:
        expire_orders(arrays, row)
    elif CommandKind.DEFINE_INSTRUMENT <= kind <= CommandKind.SET_ACCOUNT_LIMITS:
        administer(arrays, row)
    else:
        refuse(arrays, row, Code.INVALID_REQUEST, 0)
