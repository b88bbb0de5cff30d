"""The pool of orders, and the queue of orders at each price, in time priority."""

from __future__ import annotations

from typing import Any

from engine.codes import OrderFlag, Resting, TimeInForce
from engine.compiled import inlined, int64, kernel
from engine.orderbook.account_lists import leave_account
from engine.orderbook.arrays import BookArrays
from engine.orderbook.expiries import forget_expiry
from engine.orderbook.ladder import ladder_index, mark_level, stop_book, unmark_level
from engine.orderbook.links import append, remove

_ICEBERG = int(OrderFlag.ICEBERG)


@inlined
def has_free_slots(book: BookArrays, count: int) -> Any:
    """Whether `count` more orders can be taken into the pool."""
    pool = book.pool[0]
    return pool["free_slots"] + (len(book.orders) - 1 - pool["slots_used"]) >= count


@inlined
def take_slot(book: BookArrays) -> Any:
    """The slot given back last (it is still in the cache), or else the next unused one."""
    pool = book.pool[0]
    if pool["free_slots"] > 0:
        pool["free_slots"] -= 1
        return int64(book.free_slots[pool["free_slots"]])
    pool["slots_used"] += 1
    return int64(pool["slots_used"])


@inlined
def give_slot_back(book: BookArrays, slot: int) -> None:
    """The order is closed: its id leads nowhere from now on."""
    pool = book.pool[0]
    order = book.orders[slot]
    leave_account(book, slot, int64(order["account"]))
    if order["time_in_force"] == TimeInForce.GTD:
        forget_expiry(book, slot)
    order["order_id"] = 0
    book.free_slots[pool["free_slots"]] = slot
    pool["free_slots"] += 1


@inlined
def open_lots(book: BookArrays, slot: int) -> Any:
    """All that an order has open, shown or not."""
    order = book.orders[slot]
    lots = int64(order["remaining_lots"])
    if int64(order["flags"]) & _ICEBERG:
        lots += int64(book.conditions[slot]["hidden_lots"])
    return lots


@kernel
def hide(book: BookArrays, slot: int, lots: int) -> None:
    """Have an iceberg hide so much from now on."""
    conditions = book.conditions[slot]
    display_lots = int64(conditions["display_quantity_lots"])
    slices = (int64(conditions["hidden_lots"]) + display_lots - 1) // display_lots
    conditions["hidden_lots"] = lots
    book.pool[0]["hidden_slices"] += (lots + display_lots - 1) // display_lots - slices


@kernel
def show_slice(book: BookArrays, slot: int, lots: int) -> None:
    """Have an iceberg that stands in no queue, with `lots` open, hide all but a first slice."""
    shown_lots = min(lots, int64(book.conditions[slot]["display_quantity_lots"]))
    book.orders[slot]["remaining_lots"] = shown_lots
    hide(book, slot, lots - shown_lots)


@inlined
def find_level(book: BookArrays, slot: int) -> Any:
    """Where an order stands, or will: book, side, index on its ladder, and row in `levels`."""
    order = book.orders[slot]
    number = int64(order["instrument"])
    side = int64(order["side"])
    price_ticks = int64(order["price_ticks"])
    if order["resting"] == Resting.STOPS:
        number = int64(stop_book(book, number))
        side = 1 - side
        price_ticks = int64(book.conditions[slot]["stop_price_ticks"])
    index = ladder_index(book, number, side, price_ticks)
    return number, side, index, book.sides[2 * number + side]["first_level"] + index


@inlined
def join_queue(book: BookArrays, slot: int) -> None:
    """Put an order at the end of the queue of its price."""
    order = book.orders[slot]
    number, side, index, level_row = find_level(book, slot)
    level = book.levels[level_row]
    if level["tail"] == 0:
        mark_level(book, number, side, index)
    append(book.orders, level, slot)
    level["orders"] += 1
    level["quantity_lots"] += order["remaining_lots"]
    book.pool[0]["open_orders"] += 1
    book.pool[0]["pending_stops"] += int64(order["resting"] == Resting.STOPS)


@inlined
def leave_queue(book: BookArrays, slot: int) -> None:
    """Take an order, wherever it stands, out of the queue of its price."""
    order = book.orders[slot]
    number, side, index, level_row = find_level(book, slot)
    level = book.levels[level_row]
    remove(book.orders, level, slot)
    level["orders"] -= 1
    level["quantity_lots"] -= order["remaining_lots"]
    if level["head"] == 0:
        unmark_level(book, number, side, index)
    book.pool[0]["open_orders"] -= 1
    book.pool[0]["pending_stops"] -= int64(order["resting"] == Resting.STOPS)


@inlined
def fill_in_queue(book: BookArrays, slot: int, level: Any, lots: int) -> Any:
    """Take what was traded off an order and its level; all that the order still has open."""
    book.orders[slot]["remaining_lots"] -= lots
    level["quantity_lots"] -= lots
    return open_lots(book, slot)


@kernel
def join_off_book(book: BookArrays, slot: int) -> None:
    """Put an order that was just issued at the end of its instrument's orders off the book."""
    order = book.orders[slot]
    append(book.orders, book.off_book[order["instrument"]], slot)
    book.pool[0]["open_orders"] += 1


@kernel
def leave_off_book(book: BookArrays, slot: int) -> None:
    """Take an order out of its instrument's orders off the book."""
    order = book.orders[slot]
    remove(book.orders, book.off_book[order["instrument"]], slot)
    book.pool[0]["open_orders"] -= 1


@inlined
def leave_place(book: BookArrays, slot: int) -> None:
    """Take an open order out of wherever it stands."""
    if book.orders[slot]["resting"] == Resting.OFF_BOOK:
        leave_off_book(book, slot)
    else:
        leave_queue(book, slot)


@inlined
def shrink_in_queue(book: BookArrays, slot: int, lots: int) -> None:
    """Take `lots` off what an order, which keeps its place, has in the queue."""
    _, _, _, level_row = find_level(book, slot)
    book.levels[level_row]["quantity_lots"] -= lots
    book.orders[slot]["remaining_lots"] -= lots
