"""All open orders in their canonical order: by instrument, book or stops, side and priority.

Each instrument's orders off the book come behind its stops, in ascending order of order id.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.codes import OrderFlag, Resting, TimeInForce
from engine.compiled import entry_point, int64
from engine.orderbook.arrays import NO_LEVEL, BookArrays
from engine.orderbook.ladder import next_level, stop_book
from engine.state_records import ORDER_STATE


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
    states["expires_at_ns"] = np.where(is_gtd, book.expiries[slots]["expires_at_ns"], 0)
    conditions = book.conditions[slots]
    is_stop = orders["flags"] & OrderFlag.STOP != 0
    is_iceberg = orders["flags"] & OrderFlag.ICEBERG != 0
    states["stop_price_ticks"] = np.where(is_stop, conditions["stop_price_ticks"], 0)
    states["display_quantity_lots"] = np.where(is_iceberg, conditions["display_quantity_lots"], 0)
    states["shown_lots"] = np.where(orders["resting"] == Resting.BOOK, orders["remaining_lots"], 0)
    states["remaining_lots"] += np.where(is_iceberg, conditions["hidden_lots"], 0)
    return states


@entry_point
def list_slots(book: BookArrays, last_instrument: int, slots: np.ndarray) -> Any:
    """Write the slots of all open orders into `slots`, best first; how many they are.

    Buy stops stand on a sell side and sell stops on a buy side, hence the turned order there.

    Stops where `slots` ends, so a broken queue cannot make it run on.
    """
    listed = 0
    for instrument in range(1, last_instrument + 1):
        stops = stop_book(book, instrument)
        for number, side in ((instrument, 0), (instrument, 1), (stops, 1), (stops, 0)):
            book_side = book.sides[2 * number + side]
            index = book_side["best"]
            while index != NO_LEVEL:
                slot = int64(book.levels[book_side["first_level"] + index]["head"])
                while slot != 0 and listed < len(slots):
                    slots[listed] = slot
                    listed += 1
                    slot = int64(book.orders[slot]["next"])
                index = next_level(book, number, side, index)
        slot = int64(book.off_book[instrument]["head"])
        while slot != 0 and listed < len(slots):
            slots[listed] = slot
            listed += 1
            slot = int64(book.orders[slot]["next"])
    return listed
