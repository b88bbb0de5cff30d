"""NEW_ORDER, CANCEL_ORDER, AMEND_ORDER and REPLACE_ORDER: their checks and their first event.

Each check is one line of the tables in docs/protocol.md, in their order. `new_order` and
`amend_order` give the slot of an order that is to be entered, or 0; the batch loop enters it.
"""

from __future__ import annotations

from typing import Any

from engine.accounts import (
    add_position,
    can_add_position,
    find_allowance,
    find_position,
    is_open_account,
)
from engine.codes import (
    Code,
    CommandKind,
    EventKind,
    OrderFlag,
    OrderType,
    Purpose,
    Reason,
    SelfTradePrevention,
    Side,
    Target,
    TimeInForce,
)
from engine.compiled import inlined, int64
from engine.matching.arrays import EngineArrays
from engine.matching.continuous import best_is_reached, first_opposite
from engine.matching.events import add_reply, describe_order, refuse
from engine.matching.lifecycle import cancel, leave_book
from engine.orderbook.client_ids import find_client_id, write_client_id
from engine.orderbook.queues import has_free_slots, shrink_in_queue, take_slot
from engine.risk import (
    check_allowance,
    check_means,
    check_phase,
    check_quantity_and_price,
    hold_of,
)
from engine.units import (
    MAX_ORDER_NUMBER,
    MAX_PRICE_TICKS,
    MAX_QUANTITY_LOTS,
    ORDER_SLOT_BITS,
)

_POST_ONLY = int(OrderFlag.POST_ONLY)
_NEW_ORDER_FLAGS = int(
    OrderFlag.POST_ONLY | OrderFlag.CANCEL_ON_DISCONNECT | OrderFlag.CLIENT_ID_IS_UUID
)
_SLOT_MASK = (1 << ORDER_SLOT_BITS) - 1


@inlined
def new_order(arrays: EngineArrays, row: int) -> Any:
    """Accept or refuse an order; its slot (0: refused) and its limit in force."""
    command = arrays.commands.orders[row]
    limit_ticks = command["price_ticks"]
    code = int64(Code.OK)
    position_row = int64(0)
    allowance_row = int64(0)
    entry = int64(0)
    first_id = int64(0)
    if not _is_well_formed(command):
        code = int64(Code.INVALID_REQUEST)
    elif not is_open_account(arrays.balances, int64(command["account"])):
        code = int64(Code.UNKNOWN_ACCOUNT)
    elif not is_defined(arrays, int64(command["instrument"])):
        code = int64(Code.UNKNOWN_INSTRUMENT)
    else:
        entry, first_id = look_up_client_id(arrays, row)
        instrument = arrays.instruments[command["instrument"]]
        if limit_ticks == 0 and command["side"] == Side.BUY:
            limit_ticks = instrument["upper_limit_ticks"]
        elif limit_ticks == 0:
            limit_ticks = instrument["lower_limit_ticks"]
        position_row = find_position(
            arrays.balances, int64(command["account"]), int64(command["instrument"])
        )
        if command["purpose"] == Purpose.COMPLIANCE:
            allowance_row = find_allowance(
                arrays.balances, int64(command["account"]), int64(command["scheme"])
            )
        if first_id != 0:
            code = int64(Code.DUPLICATE_CLIENT_ORDER_ID)
        else:
            code = _check_new(arrays, command, limit_ticks, position_row, allowance_row)
    if code != Code.OK:
        refuse(arrays, row, code, first_id)
        return int64(0), limit_ticks

    # Nothing can fail from here on.
    if position_row == 0:
        position_row = add_position(
            arrays.balances, int64(command["account"]), int64(command["instrument"])
        )
    slot = _fill_slot(arrays, command, position_row, allowance_row)
    order_id = arrays.book.orders[slot]["order_id"]
    register_client_id(arrays, row, entry, order_id)
    place = add_reply(arrays, row, EventKind.ORDER_ACCEPTED, command["instrument"])
    describe_order(arrays, place, slot, limit_ticks, command["quantity_lots"], int64(Reason.NONE))
    return slot, limit_ticks


@inlined
def _is_well_formed(command: Any) -> Any:
    """Check 1 of NEW_ORDER: what can be said without knowing any state."""
    flags = int64(command["flags"])
    time_in_force = int64(command["time_in_force"])
    is_market = command["order_type"] == OrderType.MARKET
    if command["side"] > Side.SELL or not (is_market or command["order_type"] == OrderType.LIMIT):
        return False
    if not TimeInForce.DAY <= time_in_force <= TimeInForce.FOK:
        return False
    if command["self_trade_prevention"] != SelfTradePrevention.CANCEL_NEWEST:
        return False
    if not Purpose.VOLUNTARY <= int64(command["purpose"]) <= Purpose.MARKET_MAKING:
        return False
    if flags & ~_NEW_ORDER_FLAGS:
        return False
    if not 1 <= command["quantity_lots"] <= MAX_QUANTITY_LOTS:
        return False
    lowest_ticks = 0 if is_market else 1
    if not lowest_ticks <= command["price_ticks"] <= MAX_PRICE_TICKS:
        return False
    if flags & _POST_ONLY and (is_market or time_in_force > TimeInForce.GTC):
        return False
    if command["stop_price_ticks"] | command["display_quantity_lots"]:
        return False
    if command["minimum_quantity_lots"] | command["expires_at_ns"]:
        return False
    if command["purpose"] == Purpose.COMPLIANCE:
        return command["side"] == Side.BUY and command["scheme"] >= 1
    return command["scheme"] == 0


@inlined
def is_defined(arrays: EngineArrays, instrument: int) -> Any:
    """Whether there is an instrument with this number."""
    instruments = arrays.instruments
    return 0 < instrument < len(instruments) and instruments[instrument]["is_defined"] != 0


@inlined
def look_up_client_id(arrays: EngineArrays, row: int) -> Any:
    """The entry of the command's client id, and what it stands for already (0: nothing yet)."""
    command = arrays.commands.headers[row]
    high, low = command["client_id_high"], command["client_id_low"]
    if high == 0 and low == 0:
        return int64(-1), int64(0)
    entry = find_client_id(arrays.client_ids, int64(command["account"]), high, low)
    return int64(entry), int64(abs(arrays.client_ids.entries[entry]["value"]))


@inlined
def register_client_id(arrays: EngineArrays, row: int, entry: int, value: int) -> None:
    """Note what the command's client id stands for from now on; an entry of -1: it has none."""
    if entry < 0:
        return
    command = arrays.commands.headers[row]
    write_client_id(
        arrays.client_ids,
        entry,
        int64(command["account"]),
        command["client_id_high"],
        command["client_id_low"],
        value,
    )
    arrays.counters[0]["client_ids"] += 1


@inlined
def _check_new(
    arrays: EngineArrays, command: Any, limit_ticks: int, position_row: int, allowance_row: int
) -> Any:
    """Checks 5 to 15 of NEW_ORDER."""
    balances = arrays.balances
    instrument = arrays.instruments[command["instrument"]]
    account = int64(command["account"])
    side = int64(command["side"])
    quantity_lots = command["quantity_lots"]
    if balances.accounts[account]["is_blocked"] != 0:
        return int64(Code.ACCOUNT_BLOCKED)
    code = int64(check_phase(instrument))
    if code != Code.OK:
        return code
    code = int64(check_quantity_and_price(instrument, quantity_lots, limit_ticks))
    if code != Code.OK:
        return code
    code = check_contact(
        arrays,
        int64(command["instrument"]),
        side,
        account,
        limit_ticks,
        int64(command["flags"]),
    )
    if code != Code.OK:
        return code
    if command["purpose"] == Purpose.COMPLIANCE:
        code = int64(check_allowance(balances, allowance_row, quantity_lots, 0))
        if code != Code.OK:
            return code
    hold_fen = hold_of(instrument, limit_ticks, quantity_lots)
    code = int64(
        check_means(
            balances, instrument, side, account, position_row, quantity_lots, hold_fen, 0, 0
        )
    )
    if code != Code.OK:
        return code
    if not can_issue_orders(arrays, 1) or (position_row == 0 and not can_add_position(balances)):
        return int64(Code.ENGINE_FULL)
    return int64(Code.OK)


@inlined
def check_contact(
    arrays: EngineArrays, instrument: int, side: int, account: int, limit_ticks: int, flags: int
) -> Any:
    """Whether the first order that would be met, if any, may be met."""
    if best_is_reached(arrays.book, instrument, side, limit_ticks):
        if flags & _POST_ONLY:
            return int64(Code.WOULD_CROSS)
        first = arrays.book.orders[first_opposite(arrays.book, instrument, side)]
        if first["account"] == account:
            return int64(Code.WOULD_SELF_TRADE)
    return int64(Code.OK)


@inlined
def can_issue_orders(arrays: EngineArrays, count: int) -> Any:
    """Whether slots and numbers for `count` orders are left."""
    last_number = arrays.counters[0]["next_order_number"] + count - 1
    return last_number <= MAX_ORDER_NUMBER and has_free_slots(arrays.book, count)


@inlined
def issue_order(arrays: EngineArrays) -> Any:
    """Take a slot and give it the next order id; the slot."""
    slot = take_slot(arrays.book)
    counters = arrays.counters[0]
    arrays.book.orders[slot]["order_id"] = (counters["next_order_number"] << ORDER_SLOT_BITS) | slot
    counters["next_order_number"] += 1
    return slot


@inlined
def _fill_slot(arrays: EngineArrays, command: Any, position_row: int, allowance_row: int) -> Any:
    """Write an accepted order into the pool; its slot. All but the links, which resting sets."""
    slot = issue_order(arrays)
    order = arrays.book.orders[slot]
    order["quantity_lots"] = command["quantity_lots"]
    order["remaining_lots"] = command["quantity_lots"]
    order["held_fen"] = 0
    order["price_ticks"] = command["price_ticks"]
    order["account"] = command["account"]
    order["instrument"] = command["instrument"]
    order["position"] = position_row
    order["allowance"] = allowance_row
    order["side"] = command["side"]
    order["order_type"] = command["order_type"]
    order["time_in_force"] = command["time_in_force"]
    order["flags"] = command["flags"]
    order["self_trade_prevention"] = command["self_trade_prevention"]
    order["purpose"] = command["purpose"]
    order["gateway"] = command["gateway"]
    details = arrays.book.details[slot]
    details["client_id_high"] = command["client_id_high"]
    details["client_id_low"] = command["client_id_low"]
    details["entered_time_ns"] = command["time_ns"]
    details["session"] = command["session"]
    details["scheme"] = command["scheme"]
    return slot


@inlined
def _find_target(arrays: EngineArrays, row: int) -> Any:
    """The code of the first checks of a command on one order, and the slot of its target."""
    command = arrays.commands.orders[row]
    order_id = command["order_id"]
    if command["target"] > Target.CLIENT_ORDER_ID:
        return int64(Code.INVALID_REQUEST), int64(0)
    if not is_open_account(arrays.balances, int64(command["account"])):
        return int64(Code.UNKNOWN_ACCOUNT), int64(0)
    if command["target"] == Target.CLIENT_ORDER_ID:
        order_id = int64(0)
        entry, first_id = look_up_client_id(arrays, row)
        if first_id != 0:
            order_id = arrays.client_ids.entries[entry]["value"]
            if order_id < 0:
                return int64(Code.ORDER_NOT_OPEN), int64(0)
    number = order_id >> ORDER_SLOT_BITS
    slot = order_id & _SLOT_MASK
    if not 0 < number < arrays.counters[0]["next_order_number"]:
        return int64(Code.ORDER_NOT_FOUND), int64(0)
    if slot >= len(arrays.book.orders) or arrays.book.orders[slot]["order_id"] != order_id:
        return int64(Code.ORDER_NOT_OPEN), int64(0)
    if arrays.book.orders[slot]["account"] != command["account"]:
        return int64(Code.ORDER_NOT_FOUND), int64(0)
    return int64(Code.OK), int64(slot)


@inlined
def cancel_order(arrays: EngineArrays, row: int) -> None:
    """Take an order off, or refuse to."""
    code, slot = _find_target(arrays, row)
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
    code, slot = _find_target(arrays, row)
    is_in_bounds = 1 <= price_ticks <= MAX_PRICE_TICKS and 1 <= wanted_lots <= MAX_QUANTITY_LOTS
    if not is_in_bounds:
        code = int64(Code.INVALID_REQUEST)
    order = arrays.book.orders[slot]
    filled_lots = order["quantity_lots"] - order["remaining_lots"]
    open_lots = wanted_lots - filled_lots if is_amend else wanted_lots
    keeps_priority = (
        is_amend and price_ticks == order["price_ticks"] and open_lots <= order["remaining_lots"]
    )
    if code == Code.OK:
        code = _check_amended(arrays, slot, price_ticks, open_lots, keeps_priority)
    if code != Code.OK:
        refuse(arrays, row, code, 0)
        return int64(0), price_ticks

    # Nothing can fail from here on.
    if keeps_priority:
        shrink(arrays, slot, open_lots)
    else:
        take_out_to_enter(arrays, row, slot, price_ticks, open_lots)
    reason = int64(Reason.PRIORITY_KEPT) if keeps_priority else int64(Reason.PRIORITY_LOST)
    place = add_reply(arrays, row, EventKind.ORDER_AMENDED, order["instrument"])
    describe_order(arrays, place, slot, price_ticks, open_lots, reason)
    return int64(0) if keeps_priority else slot, price_ticks


@inlined
def _check_amended(
    arrays: EngineArrays, slot: int, price_ticks: int, open_lots: int, keeps_priority: bool
) -> Any:
    """Checks 3 to 9 of AMEND_ORDER."""
    balances = arrays.balances
    order = arrays.book.orders[slot]
    instrument = arrays.instruments[order["instrument"]]
    account = int64(order["account"])
    side = int64(order["side"])
    own_lots = int64(order["remaining_lots"])
    if balances.accounts[account]["is_blocked"] != 0:
        return int64(Code.ACCOUNT_BLOCKED)
    if open_lots <= 0:
        return int64(Code.INVALID_REQUEST)
    code = int64(check_phase(instrument))
    if code != Code.OK:
        return code
    code = int64(check_quantity_and_price(instrument, open_lots, price_ticks))
    if code != Code.OK or keeps_priority:
        return code
    flags = int64(order["flags"])
    code = check_contact(arrays, int64(order["instrument"]), side, account, price_ticks, flags)
    if code != Code.OK:
        return code
    if order["purpose"] == Purpose.COMPLIANCE:
        code = int64(check_allowance(balances, int64(order["allowance"]), open_lots, own_lots))
        if code != Code.OK:
            return code
    hold_fen = hold_of(instrument, price_ticks, open_lots)
    return int64(
        check_means(
            balances,
            instrument,
            side,
            account,
            int64(order["position"]),
            open_lots,
            hold_fen,
            own_lots,
            order["held_fen"],
        )
    )


@inlined
def shrink(arrays: EngineArrays, slot: int, open_lots: int) -> None:
    """Make an open order smaller where it stands."""
    order = arrays.book.orders[slot]
    position = arrays.balances.positions[order["position"]]
    lots = order["remaining_lots"] - open_lots
    order["quantity_lots"] -= lots
    shrink_in_queue(arrays.book, slot, lots)
    if order["side"] == Side.SELL:
        position["held_lots"] -= lots
        position["available_lots"] += lots
        return
    instrument = arrays.instruments[order["instrument"]]
    account = arrays.balances.accounts[order["account"]]
    hold_fen = hold_of(instrument, int64(order["price_ticks"]), open_lots)
    account["available_fen"] += order["held_fen"] - hold_fen
    account["held_fen"] -= order["held_fen"] - hold_fen
    order["held_fen"] = hold_fen
    position["buying_lots"] -= lots
    if order["allowance"] != 0:
        arrays.balances.allowances[order["allowance"]]["open_lots"] -= lots


@inlined
def take_out_to_enter(
    arrays: EngineArrays, row: int, slot: int, price_ticks: int, open_lots: int
) -> None:
    """Take an open order out of the book, with the price and quantity that it shall enter with."""
    order = arrays.book.orders[slot]
    filled_lots = order["quantity_lots"] - order["remaining_lots"]
    leave_book(arrays, slot)
    order["price_ticks"] = price_ticks
    order["quantity_lots"] = filled_lots + open_lots
    order["remaining_lots"] = open_lots
    arrays.book.details[slot]["entered_time_ns"] = arrays.commands.headers[row]["time_ns"]
