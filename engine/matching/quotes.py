"""SET_QUOTE: both sides of a market maker's quote, changed as one.

A side is in one of five cases (docs/protocol.md): nothing to do, untouched, shrunk in place,
withdrawn, or entered (as a new order, or again under the same id).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.accounts import add_position, can_add_position, find_position, is_open_account
from engine.codes import (
    Code,
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
from engine.matching.amendments import take_out_apart
from engine.matching.arrays import EVENT_WORDS, EngineArrays
from engine.matching.continuous import enter_apart, meets_own
from engine.matching.events import add_admin_reply, add_event, describe_order, refuse
from engine.matching.identity import can_issue_orders, is_defined, issue_order
from engine.matching.lifecycle import cancel_apart, shrink
from engine.matching.stops import trigger_stops
from engine.risk import (
    check_account_limits,
    check_cancel,
    check_means,
    check_phase,
    check_quantity_and_price,
    count_order,
    hold_of,
    notional_of,
)
from engine.units import MAX_PRICE_TICKS, MAX_QUANTITY_LOTS, ORDER_SLOT_BITS

_CANCEL_ON_DISCONNECT = int(OrderFlag.CANCEL_ON_DISCONNECT)
_QUOTE = int(OrderFlag.QUOTE)
_SLOT_MASK = (1 << ORDER_SLOT_BITS) - 1


class QuoteSide(NamedTuple):
    """What one side shall be, and what stands."""

    side: int
    price_ticks: int
    quantity_lots: int  # 0: withdrawn
    standing_slot: int  # 0: nothing stands


_NOTHING = 0
_UNTOUCHED = 1
_SHRINK = 2
_WITHDRAW = 3
_ENTER = 4


@kernel
def set_quote(arrays: EngineArrays, row: int) -> None:
    """SET_QUOTE."""
    command = arrays.commands.quotes[row]
    account, instrument = int64(command["account"]), int64(command["instrument"])
    code = _check_form(arrays, row)
    position_row = int64(0)
    if code == Code.OK:
        position_row = find_position(arrays.balances, account, instrument)
    bid, ask = _quote_sides(arrays, row, position_row)
    if code == Code.OK and (bid.quantity_lots > 0 or ask.quantity_lots > 0):
        code = _check_state(arrays, row, position_row, bid, ask)
    bid_action = _action(arrays, bid)
    ask_action = _action(arrays, ask)
    changes_standing = _changes_standing(bid, bid_action) or _changes_standing(ask, ask_action)
    if code == Code.OK:
        code = _check_auction(arrays, command, bid, ask, changes_standing)
    if code != Code.OK:
        refuse(arrays, row, code, 0)
        return

    # Nothing can fail from here on.
    if bid.quantity_lots > 0 or ask.quantity_lots > 0:
        count_order(arrays.balances.accounts[account], command["time_ns"])
    if position_row == 0 and bid.quantity_lots > 0:
        position_row = add_position(arrays.balances, account, instrument)
    reply = add_admin_reply(arrays, row, EventKind.QUOTE_SET)
    _take_out(arrays, row, bid, bid_action)
    withdrawal = arrays.progress[0]["events"]
    _take_out(arrays, row, ask, ask_action)
    spare = len(arrays.events.headers) - 1
    if ask_action == _WITHDRAW:
        # The ask left the book first, but the bid's events come first: this one waits.
        _copy_event(arrays, withdrawal, spare)
        arrays.progress[0]["events"] = withdrawal
    _bring_in(arrays, row, bid, bid_action, position_row)
    if ask_action == _WITHDRAW:
        _copy_event(arrays, spare, add_event(arrays, row, EventKind.ORDER_CANCELLED, instrument))
    _bring_in(arrays, row, ask, ask_action, position_row)
    position = arrays.balances.positions[position_row]
    event = arrays.events.admin[reply]
    event["bid_order_id"] = position["bid_quote_order_id"]
    event["ask_order_id"] = position["ask_quote_order_id"]
    trigger_stops(arrays, row, instrument)


@inlined
def _check_form(arrays: EngineArrays, row: int) -> Any:
    """Checks 1 and 2."""
    command = arrays.commands.quotes[row]
    bid_lots, ask_lots = command["bid_quantity_lots"], command["ask_quantity_lots"]
    bid_ticks, ask_ticks = command["bid_price_ticks"], command["ask_price_ticks"]
    if int64(command["flags"]) & ~_CANCEL_ON_DISCONNECT:
        return int64(Code.INVALID_REQUEST)
    if not (0 <= bid_lots <= MAX_QUANTITY_LOTS and 0 <= ask_lots <= MAX_QUANTITY_LOTS):
        return int64(Code.INVALID_REQUEST)
    if bid_lots > 0 and not 1 <= bid_ticks <= MAX_PRICE_TICKS:
        return int64(Code.INVALID_REQUEST)
    if ask_lots > 0 and not 1 <= ask_ticks <= MAX_PRICE_TICKS:
        return int64(Code.INVALID_REQUEST)
    if bid_lots > 0 and ask_lots > 0 and bid_ticks >= ask_ticks:
        return int64(Code.INVALID_REQUEST)
    if not is_open_account(arrays.balances, int64(command["account"])):
        return int64(Code.UNKNOWN_ACCOUNT)
    if not is_defined(arrays, int64(command["instrument"])):
        return int64(Code.UNKNOWN_INSTRUMENT)
    return int64(Code.OK)


@inlined
def _quote_sides(arrays: EngineArrays, row: int, position_row: int) -> Any:
    """What is wanted and what stands, for the bid and for the ask."""
    command = arrays.commands.quotes[row]
    position = arrays.balances.positions[position_row]
    bid = QuoteSide(
        int64(Side.BUY),
        command["bid_price_ticks"],
        command["bid_quantity_lots"],
        position["bid_quote_order_id"] & _SLOT_MASK,
    )
    ask = QuoteSide(
        int64(Side.SELL),
        command["ask_price_ticks"],
        command["ask_quantity_lots"],
        position["ask_quote_order_id"] & _SLOT_MASK,
    )
    return bid, ask


@inlined
def _check_state(
    arrays: EngineArrays, row: int, position_row: int, bid: QuoteSide, ask: QuoteSide
) -> Any:
    """Checks 3 to 8."""
    balances = arrays.balances
    command = arrays.commands.quotes[row]
    account = int64(command["account"])
    instrument = arrays.instruments[command["instrument"]]
    if balances.accounts[account]["is_blocked"] != 0:
        return int64(Code.ACCOUNT_BLOCKED)
    code = int64(check_phase(instrument))
    if code != Code.OK:
        return code
    if max(bid.quantity_lots, ask.quantity_lots) > instrument["maximum_order_lots"]:
        return int64(Code.QUANTITY_TOO_LARGE)
    new_orders = 0
    for wanted in (bid, ask):
        if wanted.quantity_lots > 0:
            code = int64(
                check_quantity_and_price(instrument, wanted.quantity_lots, wanted.price_ticks)
            )
            if code != Code.OK:
                return code
            if wanted.standing_slot == 0:
                new_orders += 1
    for wanted in (bid, ask):
        if wanted.quantity_lots > 0:
            standing = arrays.book.orders[wanted.standing_slot]
            code = int64(
                check_means(
                    balances,
                    instrument,
                    wanted.side,
                    account,
                    position_row,
                    wanted.quantity_lots,
                    hold_of(instrument, wanted.price_ticks, wanted.quantity_lots),
                    int64(standing["remaining_lots"]),
                    standing["held_fen"],
                )
            )
            if code != Code.OK:
                return code
    return _check_room(arrays, row, position_row, (bid, ask), new_orders)


@inlined
def _check_room(
    arrays: EngineArrays,
    row: int,
    position_row: int,
    sides: tuple[QuoteSide, QuoteSide],
    new_orders: int,
) -> Any:
    """Checks 7 and 8."""
    command = arrays.commands.quotes[row]
    bid, ask = sides
    instrument = arrays.instruments[command["instrument"]]
    account = arrays.balances.accounts[command["account"]]
    notional_fen = max(
        notional_of(instrument, bid.price_ticks, bid.quantity_lots),
        notional_of(instrument, ask.price_ticks, ask.quantity_lots),
    )
    code = int64(check_account_limits(account, command["time_ns"], new_orders, notional_fen))
    if code != Code.OK:
        return code
    if not can_issue_orders(arrays, new_orders):
        return int64(Code.ENGINE_FULL)
    if position_row == 0 and not can_add_position(arrays.balances):
        return int64(Code.ENGINE_FULL)
    return int64(Code.OK)


@inlined
def _check_auction(
    arrays: EngineArrays, command: Any, bid: QuoteSide, ask: QuoteSide, changes_standing: bool
) -> Any:
    """Checks 8 and 9."""
    instrument = arrays.instruments[command["instrument"]]
    is_auction = instrument["phase"] == Phase.CALL_AUCTION
    if is_auction and (
        _meets_own(arrays, command, bid, ask) or _meets_own(arrays, command, ask, bid)
    ):
        return int64(Code.WOULD_SELF_TRADE)
    if changes_standing:
        return int64(check_cancel(instrument, command["time_ns"]))
    return int64(Code.OK)


@inlined
def _meets_own(arrays: EngineArrays, command: Any, wanted: QuoteSide, other: QuoteSide) -> Any:
    """Whether a side would reach an order of its account that is not the quote's other side."""
    number, account = int64(command["instrument"]), int64(command["account"])
    return wanted.quantity_lots > 0 and meets_own(
        arrays.book, number, wanted.side, account, wanted.price_ticks, other.standing_slot
    )


@inlined
def _changes_standing(wanted: QuoteSide, action: int) -> Any:
    """Whether an order that stands is cancelled or amended."""
    return wanted.standing_slot != 0 and action != _UNTOUCHED


@inlined
def _action(arrays: EngineArrays, wanted: QuoteSide) -> Any:
    """Which row of the table in docs/protocol.md a side is in."""
    if wanted.standing_slot == 0:
        return _ENTER if wanted.quantity_lots > 0 else _NOTHING
    if wanted.quantity_lots == 0:
        return _WITHDRAW
    standing = arrays.book.orders[wanted.standing_slot]
    if wanted.price_ticks != standing["price_ticks"]:
        return _ENTER
    if wanted.quantity_lots == standing["remaining_lots"]:
        return _UNTOUCHED
    return _SHRINK if wanted.quantity_lots < standing["remaining_lots"] else _ENTER


@kernel
def _take_out(arrays: EngineArrays, row: int, wanted: QuoteSide, action: int) -> None:
    """Take a standing order that is withdrawn, or to be entered again, out of the book."""
    slot = wanted.standing_slot
    if action == _WITHDRAW:
        cancel_apart(arrays, row, slot, int64(Reason.QUOTE_WITHDRAWN))
    elif action == _ENTER and slot != 0:
        take_out_apart(arrays, row, slot, wanted.price_ticks, wanted.quantity_lots)


@kernel
def _bring_in(
    arrays: EngineArrays, row: int, wanted: QuoteSide, action: int, position_row: int
) -> None:
    """Shrink or enter the order of one side, with its events."""
    slot = wanted.standing_slot
    instrument = arrays.commands.headers[row]["instrument"]
    if action == _SHRINK:
        shrink(arrays, slot, wanted.quantity_lots)
        place = add_event(arrays, row, EventKind.ORDER_AMENDED, instrument)
        reason = int64(Reason.PRIORITY_KEPT)
        describe_order(arrays, place, slot, wanted.price_ticks, wanted.quantity_lots, reason)
    elif action == _ENTER:
        if slot == 0:
            slot = _fill_slot(arrays, row, wanted, position_row)
            place = add_event(arrays, row, EventKind.ORDER_ACCEPTED, instrument)
            reason = int64(Reason.NONE)
        else:
            place = add_event(arrays, row, EventKind.ORDER_AMENDED, instrument)
            reason = int64(Reason.PRIORITY_LOST)
        describe_order(arrays, place, slot, wanted.price_ticks, wanted.quantity_lots, reason)
        enter_apart(arrays, row, slot, wanted.price_ticks, int64(0))


@inlined
def _fill_slot(arrays: EngineArrays, row: int, wanted: QuoteSide, position_row: int) -> Any:
    """Write a new order of the quote into the pool; its slot."""
    command = arrays.commands.quotes[row]
    slot = issue_order(arrays, int64(command["account"]))
    order = arrays.book.orders[slot]
    order["quantity_lots"] = wanted.quantity_lots
    order["remaining_lots"] = wanted.quantity_lots
    order["held_fen"] = 0
    order["price_ticks"] = wanted.price_ticks
    order["account"] = command["account"]
    order["instrument"] = command["instrument"]
    order["position"] = position_row
    order["allowance"] = 0
    order["side"] = wanted.side
    order["order_type"] = OrderType.LIMIT
    order["time_in_force"] = TimeInForce.DAY
    order["flags"] = int64(command["flags"]) | _QUOTE
    order["self_trade_prevention"] = SelfTradePrevention.CANCEL_NEWEST
    order["purpose"] = Purpose.MARKET_MAKING
    order["gateway"] = command["gateway"]
    order["resting"] = Resting.BOOK
    details = arrays.book.details[slot]
    details["client_id_high"] = 0
    details["client_id_low"] = 0
    details["entered_time_ns"] = command["time_ns"]
    details["session"] = command["session"]
    details["scheme"] = 0
    return slot


@inlined
def _copy_event(arrays: EngineArrays, source: int, target: int) -> None:
    """Copy an event within the buffer, byte for byte."""
    words = arrays.events.words
    for word in range(EVENT_WORDS):
        words[target * EVENT_WORDS + word] = words[source * EVENT_WORDS + word]
