"""All open orders in their canonical order: by instrument, side, price and time priority.

Each instrument's orders off the book come behind its books, in ascending order of order id.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.codes import Side, TimeInForce
from engine.compiled import entry_point, int64
from engine.orderbook.arrays import NO_LEVEL, BookArrays
from engine.orderbook.ladder import next_level
from engine.records import ORDER_STATE


def open_orders(book: BookArrays, last_instrument: int) -> np.ndarray:
    """ORDER_STATE of every open order."""
    slots = np.zeros(int(book.pool[0]["open_orders"]), np.int64)
    listed = list_slots(book, last_instrument, slots)
    assert listed == len(slots), "the queues and the count of open orders differ"
    orders, details = book.orders[slots], book.details[slots]
    states = np.zeros(len(slots), ORDER_STATE)
    for source in (orders, details):
        for name in set(source.dtype.names or ()) & set(ORDER_STATE.names or ()):
            states[name] = source[name]
    is_gtd = orders["time_in_force"] == TimeInForce.GTD
    states["expires_at_ns"] = np.where(is_gtd, book.expiries[slots], 0)
    return states


@entry_point
def list_slots(book: BookArrays, last_instrument: int, slots: np.ndarray) -> Any:
    """Write the slots of all open orders into `slots`, best first; how many they are.

    Stops where `slots` ends, so a broken queue cannot make it run on.
    """
    listed = 0
    for instrument in range(1, last_instrument + 1):
        for side in (Side.BUY, Side.SELL):
            book_side = book.sides[2 * instrument + side]
            index = book_side["best"]
            while index != NO_LEVEL:
                slot = int64(book.levels[book_side["first_level"] + index]["head"])
                while slot != 0 and listed < len(slots):
                    slots[listed] = slot
                    listed += 1
                    slot = int64(book.orders[slot]["next"])
                index = next_level(book, instrument, side, index)
        slot = int64(book.off_book[instrument]["head"])
        while slot != 0 and listed < len(slots):
            slots[listed] = slot
            listed += 1
            slot = int64(book.orders[slot]["next"])
    return listed
