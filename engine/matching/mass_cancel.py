"""Taking many orders off at once: an account's in the order of their ids, or an instrument's as
they stand in its book. What is looked at are open orders of that account, or of those instruments,
and no others.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from engine.accounts import is_open_account
from engine.codes import Code, EventKind, OrderFlag, Reason, Resting, Side, TimeInForce
from engine.compiled import inlined, int64, kernel
from engine.matching.arrays import EngineArrays
from engine.matching.events import add_admin_reply, refuse
from engine.matching.identity import is_defined
from engine.matching.lifecycle import cancel_apart
from engine.orderbook.arrays import NO_LEVEL
from engine.orderbook.ladder import next_level, stop_book
from engine.risk import check_cancel

_CANCEL_ON_DISCONNECT = int(OrderFlag.CANCEL_ON_DISCONNECT)
# Orders at all prices lie outside a range that is empty.
EMPTY_RANGE = (1, 0)


class Filter(NamedTuple):
    """Which open orders are meant; a field that is 0 (for the side: ANY) takes all."""

    account: int
    instrument: int
    side: int
    gateway: int
    session: int
    flags: int  # all of these must be set
    time_in_force: int  # DAY: those that end with the day
    # Only orders outside these prices, with their limit or with the stop price they wait for; an
    # order off the book has no limits to be outside of.
    lower_ticks: int
    upper_ticks: int
    # Only orders that clients may cancel at this time; 0 takes all.
    cancel_time_ns: int


@inlined
def _takes(wanted: int, value: int) -> Any:
    """Whether one field of the filter takes an order's value."""
    if wanted == 0:
        return True
    return value == wanted


@inlined
def _ends_with_day(order: Any) -> Any:
    """Whether an order goes when the market closes: a stop may be ioc or fok as well as day."""
    return order["time_in_force"] != TimeInForce.GTC and order["time_in_force"] != TimeInForce.GTD


@inlined
def _matches(arrays: EngineArrays, slot: int, wanted: Filter) -> Any:
    """Whether the filter takes the open order in this slot."""
    order = arrays.book.orders[slot]
    price_ticks = int64(order["price_ticks"])
    stop_ticks = price_ticks
    if order["resting"] == Resting.STOPS:
        stop_ticks = int64(arrays.book.conditions[slot]["stop_price_ticks"])
    is_outside = (
        min(price_ticks, stop_ticks) < wanted.lower_ticks
        or max(price_ticks, stop_ticks) > wanted.upper_ticks
    )
    if order["resting"] == Resting.OFF_BOOK:
        is_outside = wanted.lower_ticks > wanted.upper_ticks
    return (
        _takes(wanted.account, order["account"])
        and _takes(wanted.instrument, order["instrument"])
        and (wanted.side == Side.ANY or order["side"] == wanted.side)
        and _takes(wanted.gateway, order["gateway"])
        and _takes(wanted.session, arrays.book.details[slot]["session"])
        and int64(order["flags"]) & wanted.flags == wanted.flags
        and (wanted.time_in_force == 0 or _ends_with_day(order))
        and is_outside
        and check_cancel(arrays.instruments[order["instrument"]], wanted.cancel_time_ns) == Code.OK
    )


@kernel
def cancel_matching(arrays: EngineArrays, row: int, wanted: Filter, reason: int) -> Any:
    """Cancel all open orders that the filter takes, each with its event; how many they were."""
    if wanted.account != 0:
        return _cancel_of_account(arrays, row, wanted, reason)
    if wanted.instrument != 0:
        return _cancel_of_instrument(arrays, row, wanted.instrument, wanted, reason)
    cancelled = int64(0)
    for instrument in range(1, arrays.progress[0]["instruments"] + 1):
        cancelled += _cancel_of_instrument(arrays, row, int64(instrument), wanted, reason)
    return cancelled


@kernel
def _cancel_along(
    arrays: EngineArrays, row: int, links: np.ndarray, slot: int, wanted: Filter, reason: int
) -> Any:
    """`cancel_matching` along a list, from `slot` on."""
    cancelled = int64(0)
    while slot != 0:
        following = int64(links[slot]["next"])
        if _matches(arrays, slot, wanted):
            cancel_apart(arrays, row, slot, reason)
            cancelled += 1
        slot = following
    return cancelled


@kernel
def _cancel_of_account(arrays: EngineArrays, row: int, wanted: Filter, reason: int) -> Any:
    """`cancel_matching` along the list of the account's open orders."""
    book = arrays.book
    first = int64(book.account_ends[wanted.account]["head"])
    return _cancel_along(arrays, row, book.account_links, first, wanted, reason)


@kernel
def _cancel_of_instrument(
    arrays: EngineArrays, row: int, instrument: int, wanted: Filter, reason: int
) -> Any:
    """`cancel_matching` through the book, then the stops: buy side, then sell side, best first.

    Last come the orders off the book, in the order of their ids.
    """
    book = arrays.book
    cancelled = int64(0)
    stops = stop_book(book, instrument)
    # Buy stops stand on a sell side and sell stops on a buy side.
    for number, side in ((instrument, 0), (instrument, 1), (stops, 1), (stops, 0)):
        book_side = book.sides[2 * number + side]
        index = book_side["best"]
        while index != NO_LEVEL:
            first = int64(book.levels[book_side["first_level"] + index]["head"])
            cancelled += _cancel_along(arrays, row, book.orders, first, wanted, reason)
            index = next_level(book, number, int64(side), index)
    first = int64(book.off_book[instrument]["head"])
    return cancelled + _cancel_along(arrays, row, book.orders, first, wanted, reason)


@kernel
def cancel_all(arrays: EngineArrays, row: int) -> None:
    """CANCEL_ALL."""
    command = arrays.commands.orders[row]
    flags = int64(command["flags"])
    account = int64(command["account"])
    instrument = int64(command["instrument"])
    code = Code.OK
    if command["side"] > Side.ANY or flags & ~_CANCEL_ON_DISCONNECT:
        code = Code.INVALID_REQUEST
    elif account != 0 and not is_open_account(arrays.balances, account):
        code = Code.UNKNOWN_ACCOUNT
    elif instrument != 0 and not is_defined(arrays, instrument):
        code = Code.UNKNOWN_INSTRUMENT
    # An account's own wish has to wait for the auction, the exchange's and a disconnection's not.
    cancel_time_ns = command["time_ns"] if account != 0 and flags == 0 else int64(0)
    if code == Code.OK and instrument != 0:
        code = check_cancel(arrays.instruments[instrument], cancel_time_ns)
    if code != Code.OK:
        refuse(arrays, row, code, 0)
        return
    wanted = Filter(
        account,
        instrument,
        int64(command["side"]),
        int64(command["filter_gateway"]),
        int64(command["filter_session"]),
        flags,
        int64(0),
        int64(EMPTY_RANGE[0]),
        int64(EMPTY_RANGE[1]),
        cancel_time_ns,
    )
    reason = int64(Reason.DISCONNECTED) if flags else int64(Reason.MASS_CANCELLED)
    place = add_admin_reply(arrays, row, EventKind.ORDERS_CANCELLED)
    arrays.events.admin[place]["quantity_lots"] = cancel_matching(arrays, row, wanted, reason)


@kernel
def expire_orders(arrays: EngineArrays, row: int) -> None:
    """EXPIRE_ORDERS."""
    book = arrays.book
    time_ns = arrays.commands.headers[row]["time_ns"]
    place = add_admin_reply(arrays, row, EventKind.ORDERS_CANCELLED)
    cancelled = int64(0)
    slot = int64(book.expiry_heap[1])
    while slot != 0 and book.expiries[slot]["expires_at_ns"] <= time_ns:
        cancel_apart(arrays, row, slot, int64(Reason.EXPIRED))
        cancelled += 1
        slot = int64(book.expiry_heap[1])
    arrays.events.admin[place]["quantity_lots"] = cancelled
