"""CANCEL_ORDER, AMEND_ORDER and REPLACE_ORDER: commands on one open order.

`amend_order` gives the slot of an order that is to be entered again, or 0; the batch loop enters
it.
"""

from __future__ import annotations

from typing import Any

from engine.codes import Code, CommandKind, EventKind, OrderFlag, Purpose, Reason, Resting
from engine.compiled import inlined, int64, kernel
from engine.matching.arrays import EngineArrays
from engine.matching.events import add_reply, describe_order, refuse
from engine.matching.identity import find_target
from engine.matching.lifecycle import cancel, leave_book, shrink
from engine.matching.orders import check_contact
from engine.orderbook.queues import open_lots
from engine.risk import (
    check_account_limits,
    check_allowance,
    check_cancel,
    check_means,
    check_phase,
    check_quantity_and_price,
    count_order,
    hold_of,
    notional_of,
)
from engine.units import MAX_PRICE_TICKS, MAX_QUANTITY_LOTS, MAX_SLICES

_ICEBERG = int(OrderFlag.ICEBERG)


@inlined
def cancel_order(arrays: EngineArrays, row: int) -> None:
    """Take an order off, or refuse to."""
    code, slot = find_target(arrays, row)
    if code == Code.OK:
        instrument = arrays.instruments[arrays.book.orders[slot]["instrument"]]
        code = int64(check_cancel(instrument, arrays.commands.headers[row]["time_ns"]))
    if code != Code.OK:
        refuse(arrays, row, code, 0)
        return
    first_event = arrays.progress[0]["events"]
    cancel(arrays, row, slot, int64(Reason.REQUESTED))
    arrays.events.headers[first_event]["request_id"] = arrays.commands.headers[row]["request_id"]


@inlined
def amend_order(arrays: EngineArrays, row: int) -> Any:
    """Change an order or refuse to; its slot if it is to be entered again, else 0, and price."""
    command = arrays.commands.orders[row]
    price_ticks, wanted_lots = command["price_ticks"], command["quantity_lots"]
    is_amend = command["kind"] == CommandKind.AMEND_ORDER
    code, slot = find_target(arrays, row)
    is_in_bounds = 1 <= price_ticks <= MAX_PRICE_TICKS and 1 <= wanted_lots <= MAX_QUANTITY_LOTS
    if not is_in_bounds:
        code = int64(Code.INVALID_REQUEST)
    order = arrays.book.orders[slot]
    own_lots = open_lots(arrays.book, slot)
    filled_lots = order["quantity_lots"] - own_lots
    new_lots = wanted_lots - filled_lots if is_amend else wanted_lots
    keeps_priority = is_amend and price_ticks == order["price_ticks"] and new_lots <= own_lots
    if code == Code.OK:
        code = _check_amended(arrays, row, slot, price_ticks, new_lots, keeps_priority)
    account = arrays.balances.accounts[order["account"]]
    if code == Code.OK:
        # What becomes smaller where it stands may be as large as it was.
        instrument = arrays.instruments[order["instrument"]]
        notional_fen = notional_of(instrument, price_ticks, new_lots)
        asked_fen = int64(0) if keeps_priority else notional_fen
        code = int64(check_account_limits(account, command["time_ns"], 0, asked_fen))
    if code != Code.OK:
        refuse(arrays, row, code, 0)
        return int64(0), price_ticks

    # Nothing can fail from here on.
    count_order(account, command["time_ns"])
    if keeps_priority:
        shrink(arrays, slot, new_lots)
    else:
        take_out_to_enter(arrays, row, slot, price_ticks, new_lots)
    reason = int64(Reason.PRIORITY_KEPT) if keeps_priority else int64(Reason.PRIORITY_LOST)
    place = add_reply(arrays, row, EventKind.ORDER_AMENDED, order["instrument"])
    describe_order(arrays, place, slot, price_ticks, new_lots, reason)
    return int64(0) if keeps_priority else slot, price_ticks


@inlined
def _check_amended(
    arrays: EngineArrays,
    row: int,
    slot: int,
    price_ticks: int,
    new_lots: int,
    keeps_priority: bool,
) -> Any:
    """Checks 3 to 9 of AMEND_ORDER."""
    balances = arrays.balances
    order = arrays.book.orders[slot]
    instrument = arrays.instruments[order["instrument"]]
    account = int64(order["account"])
    side = int64(order["side"])
    own_lots = open_lots(arrays.book, slot)
    flags = int64(order["flags"])
    most_lots = int64(MAX_QUANTITY_LOTS)
    if flags & _ICEBERG:
        most_lots = MAX_SLICES * int64(arrays.book.conditions[slot]["display_quantity_lots"])
    if balances.accounts[account]["is_blocked"] != 0:
        return int64(Code.ACCOUNT_BLOCKED)
    if not 0 < new_lots <= most_lots or order["resting"] == Resting.OFF_BOOK:
        return int64(Code.INVALID_REQUEST)
    code = int64(check_phase(instrument))
    if code != Code.OK:
        return code
    code = int64(check_cancel(instrument, arrays.commands.headers[row]["time_ns"]))
    if code != Code.OK:
        return code
    code = int64(check_quantity_and_price(instrument, new_lots, price_ticks))
    if code != Code.OK or keeps_priority:
        return code
    if order["resting"] == Resting.BOOK:
        code = check_contact(
            arrays,
            int64(order["instrument"]),
            side,
            account,
            price_ticks,
            flags,
            int64(order["self_trade_prevention"]),
        )
    if code != Code.OK:
        return code
    if order["purpose"] == Purpose.COMPLIANCE:
        code = int64(check_allowance(balances, int64(order["allowance"]), new_lots, own_lots))
        if code != Code.OK:
            return code
    hold_fen = hold_of(instrument, price_ticks, new_lots)
    return int64(
        check_means(
            balances,
            instrument,
            side,
            account,
            int64(order["position"]),
            new_lots,
            hold_fen,
            own_lots,
            order["held_fen"],
        )
    )


@inlined
def take_out_to_enter(
    arrays: EngineArrays, row: int, slot: int, price_ticks: int, new_lots: int
) -> None:
    """Take an open order out of the book, with the price and quantity that it shall enter with."""
    order = arrays.book.orders[slot]
    leave_book(arrays, slot)
    order["price_ticks"] = price_ticks
    order["quantity_lots"] += new_lots - order["remaining_lots"]
    order["remaining_lots"] = new_lots
    arrays.book.details[slot]["entered_time_ns"] = arrays.commands.headers[row]["time_ns"]


take_out_apart = kernel(take_out_to_enter)
