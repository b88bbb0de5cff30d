"""The pool of orders, and the queue of orders at each price, in time priority."""

from __future__ import annotations

from typing import Any

from engine.compiled import inlined, int64
from engine.orderbook.arrays import BookArrays
from engine.orderbook.ladder import ladder_index, mark_level, unmark_level


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
    book.orders[slot]["order_id"] = 0
    book.free_slots[pool["free_slots"]] = slot
    pool["free_slots"] += 1


@inlined
def join_queue(book: BookArrays, slot: int) -> None:
    """Put an order at the end of the queue of its price."""
    order = book.orders[slot]
    instrument = int64(order["instrument"])
    side = int64(order["side"])
    index = ladder_index(book, instrument, side, int64(order["price_ticks"]))
    level = book.levels[book.sides[2 * instrument + side]["first_level"] + index]
    tail = int64(level["tail"])
    order["previous"] = tail
    order["next"] = 0
    if tail == 0:
        level["head"] = slot
        mark_level(book, instrument, side, index)
    else:
        book.orders[tail]["next"] = slot
    level["tail"] = slot
    level["orders"] += 1
    level["quantity_lots"] += order["remaining_lots"]
    book.pool[0]["open_orders"] += 1


@inlined
def leave_queue(book: BookArrays, slot: int) -> None:
    """Take an order, wherever it stands, out of the queue of its price."""
    order = book.orders[slot]
    instrument = int64(order["instrument"])
    side = int64(order["side"])
    index = ladder_index(book, instrument, side, int64(order["price_ticks"]))
    level = book.levels[book.sides[2 * instrument + side]["first_level"] + index]
    following = int64(order["next"])
    previous = int64(order["previous"])
    # Where there is no neighbour, slot 0 is written to, which is nobody's and never read: whether
    # there is one cannot be foreseen, and a wrong guess costs more than a write.
    book.orders[previous]["next"] = following
    book.orders[following]["previous"] = previous
    level["head"] = following if previous == 0 else int64(level["head"])
    level["tail"] = previous if following == 0 else int64(level["tail"])
    level["orders"] -= 1
    level["quantity_lots"] -= order["remaining_lots"]
    if level["head"] == 0:
        unmark_level(book, instrument, side, index)
    book.pool[0]["open_orders"] -= 1


@inlined
def shrink_in_queue(book: BookArrays, slot: int, lots: int) -> None:
    """Take `lots` off an order that keeps its place."""
    order = book.orders[slot]
    instrument = int64(order["instrument"])
    side = int64(order["side"])
    index = ladder_index(book, instrument, side, int64(order["price_ticks"]))
    level = book.levels[book.sides[2 * instrument + side]["first_level"] + index]
    level["quantity_lots"] -= lots
    order["remaining_lots"] -= lots
