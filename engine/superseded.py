"""Which events of a batch a follower may leave out, because others of the batch make them so.

Whoever keeps the latest state of orders (books, orders in memory, tables) need not look at each
price that a quote had within one instant: the core stamps a batch with one time, and of several
amendments of one order at that time only the last one is to be seen afterwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.codes import EventKind, OrderFlag, Reason
from engine.compiled import entry_point, inlined, int64
from engine.records import EVENT, ORDER_EVENT, RAW, TRADE_EVENT

_ACCEPTED, _CANCELLED = int(EventKind.ORDER_ACCEPTED), int(EventKind.ORDER_CANCELLED)
_AMENDED, _TRADE = int(EventKind.ORDER_AMENDED), int(EventKind.TRADE)
_TRIGGERED, _REFRESHED = int(EventKind.ORDER_TRIGGERED), int(EventKind.ORDER_REFRESHED)
_REFUSED, _QUOTE_SET = int(EventKind.COMMAND_REFUSED), int(EventKind.QUOTE_SET)
_ALL_CANCELLED = int(EventKind.ORDERS_CANCELLED)
_QUOTE, _PRIORITY_LOST = int(OrderFlag.QUOTE), int(Reason.PRIORITY_LOST)


def without_superseded(events: np.ndarray) -> np.ndarray:
    """The events (dtype EVENT, of whole commands) that decide the state after them, in order.

    The last one is always among them, so that the sequence which was reached can be read from it.
    """
    if len(events) < 2:
        return events
    events = np.ascontiguousarray(events)
    # A place for each of the two orders that an event may name, and as many that stay empty.
    table = np.zeros(1 << (4 * len(events)).bit_length(), np.int32)
    is_kept = np.ones(len(events), np.bool_)
    orders, trades = np.frombuffer(events, ORDER_EVENT), np.frombuffer(events, TRADE_EVENT)
    if _leave_out(orders, trades, table, is_kept) == 0:
        return events
    decisive: np.ndarray = np.frombuffer(events, RAW)[is_kept].view(EVENT)
    return decisive


def warm_up() -> None:
    """Compile, or load from disk, what the first batch would wait for."""
    without_superseded(np.zeros(2, EVENT))


@entry_point
def _leave_out(orders: Any, trades: Any, table: np.ndarray, is_kept: np.ndarray) -> int:
    """Mark which events to keep; how many are not. `table` is a power of two long and zero.

    It holds for each order that is named, by the hash of its id, where: an amendment that may be
    superseded as its row + 1, anything else that names the order as less than 0. Orders that
    anything but amendments of quotes happened to within the batch are left as they are.
    """
    count = len(orders)
    for row in range(count):
        kind = int64(orders[row]["kind"])
        if kind == _TRADE:
            _enter(orders, trades, table, 2 * row)
            _enter(orders, trades, table, 2 * row + 1)
        elif kind in (_ACCEPTED, _CANCELLED, _TRIGGERED, _REFRESHED) or (
            kind == _AMENDED and not int64(orders[row]["flags"]) & _QUOTE
        ):
            _enter(orders, trades, table, 2 * row)
    left_out = 0
    for row in range(count - 1, -1, -1):
        order = orders[row]
        kind = int64(order["kind"])
        if kind in (_REFUSED, _QUOTE_SET, _ALL_CANCELLED):
            # They say what became of a command; what changed is said by the events behind them.
            is_left_out = True
        elif kind == _AMENDED and int64(order["flags"]) & _QUOTE:
            place = _find(orders, trades, table, order["order_id"])
            following = int64(table[place])
            if following >= 0:
                table[place] = row + 1
            # One that keeps its priority says how the order becomes smaller where it stands.
            is_left_out = (
                following > 0
                and orders[following - 1]["time_ns"] == order["time_ns"]
                and int64(orders[following - 1]["reason"]) == _PRIORITY_LOST
            )
        else:
            is_left_out = False
        if is_left_out and row < count - 1:
            is_kept[row] = False
            left_out += 1
    return left_out


@inlined
def _enter(orders: Any, trades: Any, table: np.ndarray, name: int) -> None:
    """Remember that an event names an order: `name` is twice its row, and 1 more for the taker."""
    place = _find(orders, trades, table, _named_order(orders, trades, name))
    if table[place] == 0:
        table[place] = -1 - name


@inlined
def _find(orders: Any, trades: Any, table: np.ndarray, order_id: int) -> Any:
    """The order's place in the table, or the empty one where it is to be put."""
    mask = len(table) - 1
    place = ((order_id & 0xFFFFFFFF) * 40_503 >> 12) & mask
    while table[place] != 0:
        entry = int64(table[place])
        name = 2 * (entry - 1) if entry > 0 else -1 - entry
        if _named_order(orders, trades, name) == order_id:
            break
        place = (place + 1) & mask
    return place


@inlined
def _named_order(orders: Any, trades: Any, name: int) -> Any:
    row = name >> 1
    if int64(orders[row]["kind"]) != _TRADE:
        return orders[row]["order_id"]
    return trades[row]["taker_order_id"] if name & 1 else trades[row]["maker_order_id"]
