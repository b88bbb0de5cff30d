"""Which events of a batch a follower may leave out, because others of the batch make them so.

Whoever keeps the latest state of orders (books, orders in memory, tables) need not look at each
price that a quote had within one instant: the core stamps a batch with one time, and of several
amendments of one order at that time only the last one is to be seen afterwards.
"""

from __future__ import annotations

import numpy as np

from engine.codes import EventKind, OrderFlag, Reason
from engine.records import ORDER_EVENT, RAW, TRADE_EVENT

# They say what became of a command; what changed is said by the events behind them.
_SAYS_NOTHING_MORE = np.zeros(256, np.bool_)
_SAYS_NOTHING_MORE[[EventKind.COMMAND_REFUSED, EventKind.ORDERS_CANCELLED, EventKind.QUOTE_SET]] = (
    True
)
_NAMES_ORDER = np.zeros(256, np.bool_)
_NAMES_ORDER[
    [
        EventKind.ORDER_ACCEPTED,
        EventKind.ORDER_CANCELLED,
        EventKind.ORDER_AMENDED,
        EventKind.ORDER_TRIGGERED,
        EventKind.ORDER_REFRESHED,
    ]
] = True
_AMENDED, _TRADE = int(EventKind.ORDER_AMENDED), int(EventKind.TRADE)
_QUOTE = int(OrderFlag.QUOTE)


def without_superseded(events: np.ndarray) -> np.ndarray:
    """The events (dtype EVENT, of whole commands) that decide the state after them, in order.

    The last one is always among them, so that the sequence which was reached can be read from it.
    """
    if len(events) < 2:
        return events
    kinds = events["kind"]
    is_left_out = _SAYS_NOTHING_MORE[kinds]
    orders = events.view(ORDER_EVENT)
    is_amendment = (kinds == _AMENDED) & ((orders["flags"] & _QUOTE) != 0)
    rows = np.flatnonzero(is_amendment)
    if len(rows) > 1:
        is_left_out[rows[_are_superseded(events, rows, is_amendment)]] = True
    is_left_out[-1] = False
    if not is_left_out.any():
        return events
    decisive: np.ndarray = events.view(RAW)[~is_left_out].view(events.dtype)
    return decisive


def _are_superseded(events: np.ndarray, rows: np.ndarray, is_amendment: np.ndarray) -> np.ndarray:
    """Of the amendments at `rows`, those after which the order was entered again at the same time.

    Orders that anything else happened to within the batch are left as they are.
    """
    ids = events.view(ORDER_EVENT)["order_id"][rows]
    times_ns = events["time_ns"][rows]
    by_id = np.argsort(ids, kind="stable")
    following, before = by_id[1:], by_id[:-1]
    is_repeated = (ids[following] == ids[before]) & (times_ns[following] == times_ns[before])
    # One that keeps its priority says how the order becomes smaller where it stands.
    reasons = events.view(ORDER_EVENT)["reason"][rows]
    is_repeated &= reasons[following] == Reason.PRIORITY_LOST
    found = np.zeros(len(rows), np.bool_)
    found[before] = is_repeated
    kinds = events["kind"]
    others = events.view(ORDER_EVENT)["order_id"][_NAMES_ORDER[kinds] & ~is_amendment]
    trades = events.view(TRADE_EVENT)[kinds == _TRADE]
    if len(others) or len(trades):
        named = np.concatenate([others, trades["maker_order_id"], trades["taker_order_id"]])
        found &= ~np.isin(ids, named)
    return found
