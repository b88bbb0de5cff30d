"""Who and what a command means: instruments, client ids, order ids and targets."""

from __future__ import annotations

from typing import Any

from engine.accounts import is_open_account
from engine.codes import Code, Target
from engine.compiled import inlined, int64, kernel
from engine.matching.arrays import NOTES, EngineArrays
from engine.orderbook.account_lists import join_account
from engine.orderbook.bits import prefetch
from engine.orderbook.client_ids import (
    find_client_id,
    first_entry,
    first_place,
    look_at_line,
    next_place,
    write_client_id,
)
from engine.orderbook.ladder import ladder_index
from engine.orderbook.queues import has_free_slots, take_slot
from engine.units import MAX_ORDER_NUMBER, MAX_PRICE_TICKS, ORDER_SLOT_BITS

_SLOT_MASK = (1 << ORDER_SLOT_BITS) - 1


@inlined
def is_defined(arrays: EngineArrays, instrument: int) -> Any:
    """Whether there is an instrument with this number."""
    instruments = arrays.instruments
    return 0 < instrument < len(instruments) and instruments[instrument]["is_defined"] != 0


# The batch loop has memory asked for ahead of each command, in these four steps. Nothing of what
# they find is an answer: commands on the way may change it. All commands take the same way through
# them, for a branch that cannot be foreseen costs more than it saves.


@inlined
def fetch_client_id(arrays: EngineArrays, row: int) -> None:
    """Note where the search for the command's client id begins, and have that line come."""
    command = arrays.commands.headers[row]
    table = arrays.client_ids
    high, low = command["client_id_high"], command["client_id_low"]
    place = first_place(table.entries, table.seeds, int64(command["account"]), high, low)
    arrays.notes[row & (NOTES - 1)]["place"] = place
    prefetch(table.entries, first_entry(place))


@inlined
def fetch_record(arrays: EngineArrays, row: int) -> None:
    """Have what is known of the id come, or the next line where that one is full of others."""
    table = arrays.client_ids
    note = arrays.notes[row & (NOTES - 1)]
    place = note["place"]
    number, goes_on = look_at_line(table.entries, place)
    if goes_on:
        place = next_place(table.entries, place)
        note["place"] = place
        prefetch(table.entries, first_entry(place))
    note["record"] = number
    prefetch(table.records, number)


@inlined
def fetch_order(arrays: EngineArrays, row: int) -> None:
    """Have the order that the command is about, and the level of its price, come."""
    command = arrays.commands.orders[row]
    note = arrays.notes[row & (NOTES - 1)]
    book = arrays.book
    slot = (command["order_id"] | arrays.client_ids.records[note["record"]]["value"]) & _SLOT_MASK
    note["slot"] = slot
    prefetch(book.orders, slot)
    prefetch(book.details, slot)
    prefetch(book.account_links, slot)
    # Nothing was checked yet: row 0 for what there is not, and no price shall leave int64.
    side_row = 2 * int64(command["instrument"]) + int64(command["side"])
    side_row *= int64(0 <= side_row < len(book.sides))
    price_ticks = command["price_ticks"] & MAX_PRICE_TICKS
    index = ladder_index(book, side_row >> 1, side_row & 1, price_ticks)
    prefetch(book.levels, book.sides[side_row]["first_level"] + index)


@inlined
def fetch_neighbours(arrays: EngineArrays, row: int) -> None:
    """Have the neighbours of that order in its queue come from memory."""
    orders = arrays.book.orders
    slot = arrays.notes[row & (NOTES - 1)]["slot"]
    if slot < len(orders):
        prefetch(orders, int64(orders[slot]["next"]))
        prefetch(orders, int64(orders[slot]["previous"]))


@inlined
def look_up_client_id(arrays: EngineArrays, row: int) -> Any:
    """The entry of the command's client id, and what it stands for already (0: nothing yet).

    An order id, or less than 0: minus the sequence of a command that made no order.
    """
    command = arrays.commands.headers[row]
    high, low = command["client_id_high"], command["client_id_low"]
    if high == 0 and low == 0:
        return int64(-1), int64(0)
    place = arrays.notes[row & (NOTES - 1)]["place"]
    return find_client_id(arrays.client_ids, place, int64(command["account"]), high, low)


look_up_client_id_apart = kernel(look_up_client_id)


@inlined
def register_client_id(arrays: EngineArrays, row: int, entry: int, value: int) -> None:
    """Note what the command's client id stands for from now on; an entry of -1: it has none."""
    if entry < 0:
        return
    command = arrays.commands.headers[row]
    counters = arrays.counters[0]
    counters["client_ids"] += 1
    write_client_id(
        arrays.client_ids,
        entry,
        arrays.notes[row & (NOTES - 1)]["place"],
        counters["client_ids"],
        int64(command["account"]),
        command["client_id_high"],
        command["client_id_low"],
        value,
    )


@inlined
def can_issue_orders(arrays: EngineArrays, count: int) -> Any:
    """Whether slots and numbers for `count` orders are left."""
    last_number = arrays.counters[0]["next_order_number"] + count - 1
    return last_number <= MAX_ORDER_NUMBER and has_free_slots(arrays.book, count)


@inlined
def issue_order(arrays: EngineArrays, account: int) -> Any:
    """Take a slot for an order of the account and give it the next order id; the slot."""
    slot = take_slot(arrays.book)
    counters = arrays.counters[0]
    arrays.book.orders[slot]["order_id"] = (counters["next_order_number"] << ORDER_SLOT_BITS) | slot
    counters["next_order_number"] += 1
    join_account(arrays.book, slot, account)
    return slot


@inlined
def find_open_order(arrays: EngineArrays, order_id: int) -> Any:
    """Whether an order of this id was ever issued and is open, and its slot."""
    number = order_id >> ORDER_SLOT_BITS
    slot = order_id & _SLOT_MASK
    if not 0 < number < arrays.counters[0]["next_order_number"]:
        return int64(Code.ORDER_NOT_FOUND), int64(0)
    if slot >= len(arrays.book.orders) or arrays.book.orders[slot]["order_id"] != order_id:
        return int64(Code.ORDER_NOT_OPEN), int64(0)
    return int64(Code.OK), int64(slot)


@inlined
def find_target(arrays: EngineArrays, row: int) -> Any:
    """The code of the first checks of a command on one order, and the slot of its target."""
    command = arrays.commands.orders[row]
    order_id = command["order_id"]
    if command["target"] > Target.CLIENT_ORDER_ID:
        return int64(Code.INVALID_REQUEST), int64(0)
    if not is_open_account(arrays.balances, int64(command["account"])):
        return int64(Code.UNKNOWN_ACCOUNT), int64(0)
    if command["target"] == Target.CLIENT_ORDER_ID:
        _, order_id = look_up_client_id(arrays, row)
        if order_id < 0:
            return int64(Code.ORDER_NOT_OPEN), int64(0)
    code, slot = find_open_order(arrays, order_id)
    if code != Code.OK:
        return code, int64(0)
    if arrays.book.orders[slot]["account"] != command["account"]:
        return int64(Code.ORDER_NOT_FOUND), int64(0)
    return int64(Code.OK), int64(slot)
