"""The one compiled entry: a whole batch of commands, one after the other."""

from __future__ import annotations

from typing import Any

from engine.codes import Code, CommandKind, Resting
from engine.compiled import entry_point, inlined, int64
from engine.matching.administration import administer
from engine.matching.amendments import amend_order, cancel_order
from engine.matching.arrays import NOTES, EngineArrays
from engine.matching.auction import end_interruptions
from engine.matching.continuous import enter
from engine.matching.descriptors import load_arrays
from engine.matching.events import refuse
from engine.matching.identity import (
    fetch_client_id,
    fetch_neighbours,
    fetch_order,
    fetch_record,
)
from engine.matching.lifecycle import rest_apart
from engine.matching.mass_cancel import cancel_all, expire_orders
from engine.matching.negotiated import match_orders, set_block_rules, take
from engine.matching.orders import new_order
from engine.matching.quotes import set_quote
from engine.matching.stops import trigger_stops
from engine.orderbook.client_ids import MOVED_PER_COMMAND, move_client_ids

# Commands go in groups: while one is applied, what the next four will need is on its way from
# memory, a step further for each that is nearer. A command that comes alone does not wait for what
# it has no use for in the meantime.
_GROUP = 16
assert 5 * _GROUP <= NOTES


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
    # Before the first group is applied, the ones behind it are brought to where they would be.
    is_alone = count == 1
    if is_alone:
        fetch_client_id(arrays, 0)
    for start in range(0 if is_alone else -4 * _GROUP, count, _GROUP):
        if not is_alone:
            _look_ahead(arrays, start, count)
        for row in range(max(start, 0), min(start + _GROUP, count)):
            command = arrays.commands.headers[row]
            if command["sequence"] != progress["sequence"] + 1:
                return -1
            progress["sequence"] += 1
            progress["time_ns"] = command["time_ns"]
            _apply(arrays, row, int64(command["kind"]))
    return progress["events"]


@inlined
def _look_ahead(arrays: EngineArrays, start: int, count: int) -> None:
    """Take the four groups behind the one that begins at `start` a step further each."""
    for row in range(max(start + 4 * _GROUP, 0), min(start + 5 * _GROUP, count)):
        fetch_client_id(arrays, row)
    for row in range(max(start + 3 * _GROUP, 0), min(start + 4 * _GROUP, count)):
        fetch_record(arrays, row)
    for row in range(max(start + 2 * _GROUP, 0), min(start + 3 * _GROUP, count)):
        fetch_order(arrays, row)
    for row in range(max(start + _GROUP, 0), min(start + 2 * _GROUP, count)):
        fetch_neighbours(arrays, row)


@inlined
def _apply(arrays: EngineArrays, row: int, kind: int) -> None:  # noqa: PLR0912 - a row for each kind
    """One command, by its kind."""
    if kind == CommandKind.CANCEL_ORDER:
        cancel_order(arrays, row)
    elif (kind <= CommandKind.REPLACE_ORDER and kind != 0) or kind == CommandKind.TAKE_ORDER:
        minimum_lots = int64(0)
        if kind in (CommandKind.NEW_ORDER, CommandKind.TAKE_ORDER):
            slot, limit_ticks = new_order(arrays, row)
            minimum_lots = arrays.commands.orders[row]["minimum_quantity_lots"]
        else:
            slot, limit_ticks = amend_order(arrays, row)
        if slot != 0:
            order = arrays.book.orders[slot]
            if kind == CommandKind.TAKE_ORDER:
                take(arrays, row, slot)
            elif order["resting"] == Resting.BOOK:
                enter(arrays, row, slot, limit_ticks, minimum_lots)
            else:
                rest_apart(arrays, slot, int64(order["remaining_lots"]))
            trigger_stops(arrays, row, int64(order["instrument"]))
    elif kind == CommandKind.SET_QUOTE:
        set_quote(arrays, row)
    elif kind == CommandKind.CANCEL_ALL:
        cancel_all(arrays, row)
    elif kind == CommandKind.EXPIRE_ORDERS:
        expire_orders(arrays, row)
    elif kind == CommandKind.END_INTERRUPTIONS:
        end_interruptions(arrays, row)
    elif kind == CommandKind.MATCH_ORDERS:
        match_orders(arrays, row)
    elif kind == CommandKind.SET_BLOCK_RULES:
        set_block_rules(arrays, row)
    elif kind >= CommandKind.DEFINE_INSTRUMENT:
        administer(arrays, row)
    else:
        refuse(arrays, row, Code.INVALID_REQUEST, 0)
