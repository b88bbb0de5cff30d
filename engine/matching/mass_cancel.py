"""Taking many orders off at once, in ascending order of slot."""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.accounts import is_open_account
from engine.codes import Code, EventKind, OrderFlag, Reason, Resting, Side, TimeInForce
from engine.compiled import inlined, int64, kernel
from engine.matching.arrays import EngineArrays
from engine.matching.events import add_admin_reply, refuse
from engine.matching.identity import is_defined
from engine.matching.lifecycle import cancel
from engine.units import NEVER_NS

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
    # Only orders outside these prices, with their limit or with the stop price they wait for.
    lower_ticks: int
    upper_ticks: int


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
    return (
        _takes(wanted.account, order["account"])
        and _takes(wanted.instrument, order["instrument"])
        and (wanted.side == Side.ANY or order["side"] == wanted.side)
        and _takes(wanted.gateway, order["gateway"])
        and _takes(wanted.session, arrays.book.details[slot]["session"])
        and int64(order["flags"]) & wanted.flags == wanted.flags
        and (wanted.time_in_force == 0 or _ends_with_day(order))
        and (
            min(price_ticks, stop_ticks) < wanted.lower_ticks
            or max(price_ticks, stop_ticks) > wanted.upper_ticks
        )
    )


@kernel
def cancel_matching(arrays: EngineArrays, row: int, wanted: Filter, reason: int) -> Any:
    """Cancel all open orders that the filter takes, each with its event; how many they were."""
    book = arrays.book
    cancelled = int64(0)
    # Nothing is left to find once all open orders (of the account) have been looked at.
    if wanted.account != 0:
        unseen = int64(arrays.balances.accounts[wanted.account]["open_orders"])
    else:
        unseen = int64(book.pool[0]["open_orders"])
    slot = int64(1)
    while unseen > 0:
        order = book.orders[slot]
        if order["order_id"] != 0 and _takes(wanted.account, order["account"]):
            unseen -= 1
            if _matches(arrays, slot, wanted):
                cancel(arrays, row, slot, reason)
                cancelled += 1
        slot += 1
    return cancelled


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
    )
    reason = int64(Reason.DISCONNECTED) if flags else int64(Reason.MASS_CANCELLED)
    place = add_admin_reply(arrays, row, EventKind.ORDERS_CANCELLED)
    arrays.events.admin[place]["quantity_lots"] = cancel_matching(arrays, row, wanted, reason)


@kernel
def expire_orders(arrays: EngineArrays, row: int) -> None:
    """EXPIRE_ORDERS; finds the next expiry on the way."""
    book = arrays.book
    time_ns = arrays.commands.headers[row]["time_ns"]
    place = add_admin_reply(arrays, row, EventKind.ORDERS_CANCELLED)
    next_expiry_ns = int64(NEVER_NS)
    cancelled = int64(0)
    unseen = int64(book.pool[0]["open_orders"])
    slot = int64(1)
    while unseen > 0:
        order = book.orders[slot]
        if order["order_id"] != 0:
            unseen -= 1
            if order["time_in_force"] == TimeInForce.GTD:
                expires_at_ns = book.expiries[slot]
                if expires_at_ns <= time_ns:
                    cancel(arrays, row, slot, int64(Reason.EXPIRED))
                    cancelled += 1
                else:
                    next_expiry_ns = min(next_expiry_ns, expires_at_ns)
        slot += 1
    arrays.events.admin[place]["quantity_lots"] = cancelled
    arrays.progress[0]["next_expiry_ns"] = next_expiry_ns
