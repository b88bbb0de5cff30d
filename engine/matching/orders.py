"""NEW_ORDER and TAKE_ORDER: their checks and their first event.

Each check is one line of the table in docs/protocol.md, in that order. `new_order` gives the slot
of an accepted order, or 0; the batch loop enters it, or lets it take what it named.
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
    Phase,
    Purpose,
    Reason,
    Resting,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from engine.compiled import inlined, int64, kernel
from engine.matching.arrays import EngineArrays
from engine.matching.continuous import best_is_reached, first_opposite, meets_own
from engine.matching.events import add_reply, copy_terms, describe_order, refuse
from engine.matching.identity import (
    can_issue_orders,
    is_defined,
    issue_order,
    look_up_client_id,
    register_client_id,
)
from engine.matching.negotiated import check_listed, check_off_book
from engine.orderbook.arrays import BookArrays
from engine.orderbook.expiries import await_expiry
from engine.risk import (
    check_account_limits,
    check_allowance,
    check_means,
    check_phase,
    check_quantity_and_price,
    count_order,
    hold_of,
    notional_of,
)
from engine.units import MAX_PRICE_TICKS, MAX_QUANTITY_LOTS, MAX_SLICES

_POST_ONLY = int(OrderFlag.POST_ONLY)
_STOP = int(OrderFlag.STOP)
_ICEBERG = int(OrderFlag.ICEBERG)
_NEW_ORDER_FLAGS = int(
    OrderFlag.POST_ONLY | OrderFlag.CANCEL_ON_DISCONNECT | OrderFlag.CLIENT_ID_IS_UUID
)


# What an order off the book may carry.
_OFF_BOOK_FLAGS = int(OrderFlag.CLIENT_ID_IS_UUID)


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
            limit_ticks = min(instrument["upper_limit_ticks"], MAX_PRICE_TICKS)
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
    slot = _fill_slot(arrays, command, limit_ticks, position_row, allowance_row)
    count_order(arrays.balances.accounts[command["account"]], command["time_ns"])
    order_id = arrays.book.orders[slot]["order_id"]
    register_client_id(arrays, row, entry, order_id)
    place = add_reply(arrays, row, EventKind.ORDER_ACCEPTED, command["instrument"])
    describe_order(arrays, place, slot, limit_ticks, command["quantity_lots"], int64(Reason.NONE))
    arrays.events.orders[place]["minimum_quantity_lots"] = command["minimum_quantity_lots"]
    return slot, limit_ticks


@inlined
def _is_well_formed(command: Any) -> Any:
    """Check 1 of NEW_ORDER: what can be said without knowing any state."""
    flags = int64(command["flags"])
    time_in_force = int64(command["time_in_force"])
    is_market = command["order_type"] == OrderType.MARKET
    if command["side"] > Side.SELL:
        return False
    if not OrderType.LIMIT <= int64(command["order_type"]) <= OrderType.BID:
        return False
    if not TimeInForce.DAY <= time_in_force <= TimeInForce.GTD:
        return False
    mode = int64(command["self_trade_prevention"])
    if not SelfTradePrevention.CANCEL_NEWEST <= mode <= SelfTradePrevention.DECREMENT:
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
    has_conditions = command["stop_price_ticks"] | command["display_quantity_lots"]
    if has_conditions and not _has_known_conditions(command):
        return False
    if not _has_known_terms(command):
        return False
    if command["purpose"] == Purpose.COMPLIANCE:
        return command["side"] == Side.BUY and command["scheme"] >= 1
    return command["scheme"] == 0


@inlined
def _has_known_terms(command: Any) -> Any:
    """The part of check 1 that is about fields which only some times in force allow."""
    time_in_force = int64(command["time_in_force"])
    is_market = command["order_type"] == OrderType.MARKET
    is_immediate = time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    if command["order_type"] >= OrderType.BLOCK:
        has_unknown_flags = int64(command["flags"]) & ~_OFF_BOOK_FLAGS
        if has_unknown_flags or is_immediate or not _is_plain(command):
            return False
    if command["kind"] == CommandKind.TAKE_ORDER:
        is_limit_ioc = command["order_type"] == OrderType.LIMIT and time_in_force == TimeInForce.IOC
        if not is_limit_ioc or not _is_plain(command):
            return False
    if int64(command["flags"]) & _POST_ONLY and (is_market or is_immediate):
        return False
    if time_in_force == TimeInForce.GTD:
        if command["expires_at_ns"] < 1:
            return False
    elif command["expires_at_ns"] != 0:
        return False
    most_minimum_lots = command["quantity_lots"]
    if time_in_force == TimeInForce.FOK or int64(command["flags"]) & _POST_ONLY:
        most_minimum_lots = int64(0)
    return 0 <= command["minimum_quantity_lots"] <= most_minimum_lots


@inlined
def _is_plain(command: Any) -> Any:
    """Whether an order has neither a minimum quantity nor a stop price nor a display quantity."""
    conditions = command["stop_price_ticks"] | command["display_quantity_lots"]
    return conditions | command["minimum_quantity_lots"] == 0


@kernel
def _has_known_conditions(command: Any) -> Any:
    """The part of check 1 that is about a stop price or a display quantity."""
    display_lots = command["display_quantity_lots"]
    if display_lots == 0:
        is_entered_later = int64(command["flags"]) & _POST_ONLY == 0
        is_in_bounds = 1 <= command["stop_price_ticks"] <= MAX_PRICE_TICKS
        return is_entered_later and is_in_bounds and command["minimum_quantity_lots"] == 0
    time_in_force = int64(command["time_in_force"])
    if command["order_type"] != OrderType.LIMIT or command["stop_price_ticks"] != 0:
        return False
    if time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        return False
    if not 1 <= display_lots < command["quantity_lots"]:
        return False
    return command["quantity_lots"] <= MAX_SLICES * display_lots


@inlined
def _check_new(
    arrays: EngineArrays, command: Any, limit_ticks: int, position_row: int, allowance_row: int
) -> Any:
    """Checks 5 to 16 of NEW_ORDER."""
    balances = arrays.balances
    instrument = arrays.instruments[command["instrument"]]
    account = int64(command["account"])
    side = int64(command["side"])
    quantity_lots = command["quantity_lots"]
    is_gtd = command["time_in_force"] == TimeInForce.GTD
    if is_gtd and command["expires_at_ns"] <= command["time_ns"]:
        return int64(Code.INVALID_REQUEST)
    if balances.accounts[account]["is_blocked"] != 0:
        return int64(Code.ACCOUNT_BLOCKED)
    code = _check_market(arrays, command, limit_ticks)
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
    notional_fen = notional_of(instrument, limit_ticks, quantity_lots)
    code = int64(
        check_account_limits(balances.accounts[account], command["time_ns"], 1, notional_fen)
    )
    if code != Code.OK:
        return code
    if not can_issue_orders(arrays, 1) or (position_row == 0 and not can_add_position(balances)):
        return int64(Code.ENGINE_FULL)
    return int64(Code.OK)


@inlined
def _may_join_auction(command: Any) -> Any:
    """Whether a call auction takes orders with such terms."""
    time_in_force = int64(command["time_in_force"])
    is_immediate = time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    if command["stop_price_ticks"] != 0:
        # A stop waits for continuous trading, whatever it then does.
        return True
    has_conditions = command["minimum_quantity_lots"] | command["display_quantity_lots"]
    is_plain = command["order_type"] == OrderType.LIMIT and has_conditions == 0
    return is_plain and not is_immediate


@inlined
def _check_market(arrays: EngineArrays, command: Any, limit_ticks: int) -> Any:
    """Checks 6 to 10 of NEW_ORDER, and those of TAKE_ORDER in their place."""
    number = int64(command["instrument"])
    instrument = arrays.instruments[number]
    if command["order_type"] >= OrderType.BLOCK:
        order_type = int64(command["order_type"])
        return check_off_book(arrays, number, order_type, limit_ticks, command["quantity_lots"])
    code = int64(check_phase(instrument))
    if code != Code.OK:
        return code
    if instrument["phase"] == Phase.CALL_AUCTION and not _may_join_auction(command):
        return int64(Code.NOT_IN_CALL_AUCTION)
    lots, stop_ticks = command["quantity_lots"], command["stop_price_ticks"]
    code = int64(check_quantity_and_price(instrument, lots, limit_ticks))
    if code == Code.OK and stop_ticks != 0:
        return int64(check_quantity_and_price(instrument, lots, stop_ticks))
    if code != Code.OK:
        return code
    side, account = int64(command["side"]), int64(command["account"])
    if command["kind"] == CommandKind.TAKE_ORDER:
        return check_listed(
            arrays,
            command["order_id"],
            number,
            side,
            account,
            limit_ticks,
            lots,
        )
    return check_contact(
        arrays,
        number,
        side,
        account,
        limit_ticks,
        int64(command["flags"]),
        int64(command["self_trade_prevention"]),
    )


@inlined
def check_contact(
    arrays: EngineArrays,
    instrument: int,
    side: int,
    account: int,
    limit_ticks: int,
    flags: int,
    self_trade_prevention: int,
) -> Any:
    """Whether the first order that would be met, if any, may be met; in an auction, all of them."""
    if arrays.instruments[instrument]["phase"] == Phase.CALL_AUCTION:
        if flags & _POST_ONLY:
            return int64(Code.NOT_IN_CALL_AUCTION)
        if meets_own(arrays.book, instrument, side, account, limit_ticks, 0):
            return int64(Code.WOULD_SELF_TRADE)
        return int64(Code.OK)
    if best_is_reached(arrays.book, instrument, side, limit_ticks):
        if flags & _POST_ONLY:
            return int64(Code.WOULD_CROSS)
        first = arrays.book.orders[first_opposite(arrays.book, instrument, side)]
        gives_way = self_trade_prevention == SelfTradePrevention.CANCEL_NEWEST
        if gives_way and first["account"] == account:
            return int64(Code.WOULD_SELF_TRADE)
    return int64(Code.OK)


@inlined
def _fill_slot(
    arrays: EngineArrays, command: Any, limit_ticks: int, position_row: int, allowance_row: int
) -> Any:
    """Write an accepted order into the pool; its slot. All but the links, which resting sets."""
    slot = issue_order(arrays, int64(command["account"]))
    order = arrays.book.orders[slot]
    order["quantity_lots"] = command["quantity_lots"]
    order["remaining_lots"] = command["quantity_lots"]
    order["held_fen"] = 0
    order["price_ticks"] = limit_ticks
    order["account"] = command["account"]
    order["instrument"] = command["instrument"]
    order["position"] = position_row
    order["allowance"] = allowance_row
    copy_terms(command, order)
    order["gateway"] = command["gateway"]
    is_off_book = command["order_type"] >= OrderType.BLOCK
    order["resting"] = int64(Resting.OFF_BOOK if is_off_book else Resting.BOOK)
    if command["stop_price_ticks"] | command["display_quantity_lots"]:
        _write_conditions(arrays.book, command, slot)
    details = arrays.book.details[slot]
    high, low = command["client_id_high"], command["client_id_low"]
    details["client_id_high"] = high
    details["client_id_low"] = low
    details["entered_time_ns"] = command["time_ns"]
    details["session"] = command["session"]
    details["scheme"] = command["scheme"]
    if command["time_in_force"] == TimeInForce.GTD:
        await_expiry(arrays.book, slot, command["expires_at_ns"])
    return slot


@kernel
def _write_conditions(book: BookArrays, command: Any, slot: int) -> None:
    """Note a stop price or a display quantity, and mark the order as one that has it."""
    order = book.orders[slot]
    conditions = book.conditions[slot]
    conditions["stop_price_ticks"] = command["stop_price_ticks"]
    conditions["display_quantity_lots"] = command["display_quantity_lots"]
    conditions["hidden_lots"] = 0
    if command["stop_price_ticks"] != 0:
        order["flags"] = int64(order["flags"]) | _STOP
        order["resting"] = Resting.STOPS
    else:
        order["flags"] = int64(order["flags"]) | _ICEBERG
