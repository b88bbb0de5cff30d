"""The commands of one order: entry, cancellation, amendment; and matching."""

from __future__ import annotations

from dataclasses import fields, replace

from engine.codes import (
    Code,
    CommandKind,
    EventKind,
    OrderFlag,
    OrderType,
    Purpose,
    Reason,
    Resting,
    SelfTradePrevention,
    Side,
    Target,
    TimeInForce,
    TradeType,
)
from engine.matching.reference import phases, risk
from engine.matching.reference.book import Order
from engine.matching.reference.events import Command
from engine.matching.reference.negotiated_checks import check_entry, check_listed
from engine.matching.reference.state import Market, Refusal, refuse_if
from engine.matching.reference.trades import leave_if_served, trade
from engine.units import MAX_PRICE_TICKS, MAX_QUANTITY_LOTS, MAX_SLICES

# As a plain integer: the complement of an IntFlag has no bits but those that it knows.
_CLIENT_FLAGS = int(
    OrderFlag.POST_ONLY | OrderFlag.CANCEL_ON_DISCONNECT | OrderFlag.CLIENT_ID_IS_UUID
)


def new_order(market: Market, command: Command) -> None:
    """NEW_ORDER: all its checks, in their order, then entry."""
    enter(market, accept(market, command), command.minimum_quantity_lots)


def accept(market: Market, command: Command) -> Order:
    """Check the order of NEW_ORDER or TAKE_ORDER and open it, in no book yet. Raises Refusal."""
    refuse_if(not _is_well_formed(command), Code.INVALID_REQUEST)
    account = market.account(command.account)
    instrument = market.instrument(command.instrument)
    client_id = (command.account, command.client_id_high, command.client_id_low)
    market.check_client_id_is_new(*client_id)
    is_gtd = command.time_in_force == TimeInForce.GTD
    refuse_if(is_gtd and command.expires_at_ns <= command.time_ns, Code.INVALID_REQUEST)
    refuse_if(account.is_blocked, Code.ACCOUNT_BLOCKED)
    order = _order_from(command)
    if order.price_ticks == 0:  # a market order without protection price
        order.price_ticks = (
            min(instrument.upper_limit_ticks, MAX_PRICE_TICKS)
            if order.is_buy
            else instrument.lower_limit_ticks
        )
    if order.is_off_book:
        check_entry(market, order)
    else:
        phases.check_phase(instrument)
        may_join = not instrument.is_in_call_auction or phases.is_auction_order(command)
        refuse_if(not may_join, Code.NOT_IN_CALL_AUCTION)
        check_instrument(market, order)
        stop_is_allowed = instrument.allows_price(order.stop_price_ticks)
        refuse_if(order.is_pending and not stop_is_allowed, Code.PRICE_OUTSIDE_LIMITS)
        if command.kind == CommandKind.TAKE_ORDER:
            check_listed(market, order, command.order_id)
        else:
            phases.check_book(market, order)
    risk.check_risk(market, order)
    risk.check_account_limits(market, order.account, [order], new_orders=1)
    has_row = market.has_room_for_position(order.account, order.instrument)
    refuse_if(not has_row or not market.has_room_for_orders(1), Code.ENGINE_FULL)

    market.open_order(order)
    market.register_client_id(*client_id, order.order_id, is_order=True)
    minimum_lots = command.minimum_quantity_lots
    market.events.order(EventKind.ORDER_ACCEPTED, order, minimum_quantity_lots=minimum_lots)
    return order


def check_instrument(market: Market, order: Order) -> None:
    """Checks 7 and 8 of NEW_ORDER. Raises Refusal."""
    instrument = market.instruments[order.instrument]
    refuse_if(order.remaining_lots > instrument.maximum_order_lots, Code.QUANTITY_TOO_LARGE)
    refuse_if(not instrument.allows_price(order.price_ticks), Code.PRICE_OUTSIDE_LIMITS)


def cancel_order(market: Market, command: Command) -> None:
    """CANCEL_ORDER."""
    refuse_if(command.target not in list(Target), Code.INVALID_REQUEST)
    market.account(command.account)
    order = _target(market, command)
    phases.check_cancel(market, market.instruments[order.instrument])
    cancel(market, order, Reason.REQUESTED)


def amend_order(market: Market, command: Command) -> None:
    """AMEND_ORDER: `quantity_lots` is the new total; a mere reduction keeps priority."""
    order = _check_amendment(market, command)
    refuse_if(command.quantity_lots <= order.filled_lots, Code.INVALID_REQUEST)
    _check_slices(order, command.quantity_lots - order.filled_lots)
    keeps_priority = (
        command.price_ticks == order.price_ticks and command.quantity_lots <= order.quantity_lots
    )
    _amend(market, order, command.price_ticks, command.quantity_lots, keeps_priority)


def replace_order(market: Market, command: Command) -> None:
    """REPLACE_ORDER: `quantity_lots` is what shall be open; priority is always lost."""
    order = _check_amendment(market, command)
    _check_slices(order, command.quantity_lots)
    total_lots = order.filled_lots + command.quantity_lots
    _amend(market, order, command.price_ticks, total_lots, keeps_priority=False)


def enter(market: Market, order: Order, minimum_lots: int = 0) -> None:
    """Hold for `order`, match it, and let what is left rest or be cancelled. Cannot fail.

    If less than `minimum_lots` could be traded, all of it is cancelled.
    """
    risk.hold(market, order)
    instrument, book = market.instruments[order.instrument], market.books[order.instrument]
    if order.resting != Resting.BOOK or instrument.is_in_call_auction:
        reason = Reason.NONE
    elif book.could_trade(order, minimum_lots, phases.band(market, order.instrument)):
        reason = _match(market, order)
    else:
        reason = Reason.MINIMUM_QUANTITY
    is_in_auction = instrument.is_in_call_auction and order.resting == Resting.BOOK
    if is_in_auction and reason == Reason.NONE and phases.meets_own(market, order):
        reason = Reason.SELF_TRADE_PREVENTION  # the rest of an order that was interrupted
    if order.remaining_lots == 0:
        market.close_order(order)
    elif reason != Reason.NONE:
        _cancel_unbooked(market, order, reason)
    else:
        book.add(order)


def cancel(market: Market, order: Order, reason: Reason) -> None:
    """Take a resting order off the book."""
    market.books[order.instrument].remove(order)
    _cancel_unbooked(market, order, reason)


def withdraw(market: Market, order: Order) -> None:
    """Take a resting order out of its queue and give back its hold; it stays open."""
    market.books[order.instrument].remove(order)
    risk.release(market, order)


def change(
    market: Market, order: Order, price_ticks: int, remaining_lots: int, reason: Reason
) -> None:
    """Give `order` its new price and open quantity, and say so."""
    order.quantity_lots = order.filled_lots + remaining_lots
    order.remaining_lots = remaining_lots
    order.slice_lots = min(order.slice_lots, remaining_lots)
    order.price_ticks = price_ticks
    market.events.order(EventKind.ORDER_AMENDED, order, reason)


def reenter(market: Market, order: Order, price_ticks: int, remaining_lots: int) -> None:
    """Enter a withdrawn order again: same id and slot, behind all others at its price."""
    order.entered_time_ns = market.time_ns
    change(market, order, price_ticks, remaining_lots, Reason.PRIORITY_LOST)
    enter(market, order)


def shrink_in_place(
    market: Market, order: Order, remaining_lots: int, reason: Reason = Reason.PRIORITY_KEPT
) -> None:
    """Lower the open quantity of an order, which keeps its place in the queue if it has one."""
    risk.release(market, order)
    change(market, order, order.price_ticks, remaining_lots, reason)
    risk.hold(market, order)


def _is_well_formed(command: Command) -> bool:
    is_market = command.order_type == OrderType.MARKET
    rests = command.time_in_force in (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD)
    is_gtd = command.time_in_force == TimeInForce.GTD
    is_post_only = command.flags & OrderFlag.POST_ONLY
    is_compliance = command.purpose == Purpose.COMPLIANCE
    is_off_book = command.order_type in (OrderType.BLOCK, OrderType.BID)
    is_fok = command.time_in_force == TimeInForce.FOK
    has_no_minimum = is_fok or is_post_only or is_off_book
    most_minimum_lots = 0 if has_no_minimum else command.quantity_lots
    known_flags = int(OrderFlag.CLIENT_ID_IS_UUID) if is_off_book else _CLIENT_FLAGS
    return (
        command.side in (Side.BUY, Side.SELL)
        and command.order_type in list(OrderType)
        and command.time_in_force in list(TimeInForce)
        and command.self_trade_prevention in list(SelfTradePrevention)
        and command.purpose in list(Purpose)
        and command.flags & ~known_flags == 0
        and (rests or not is_off_book)
        and 1 <= command.quantity_lots <= MAX_QUANTITY_LOTS
        and (0 if is_market else 1) <= command.price_ticks <= MAX_PRICE_TICKS
        and (not is_post_only or (rests and not is_market))
        and _has_known_conditions(command)
        and 0 <= command.minimum_quantity_lots <= most_minimum_lots
        and (command.expires_at_ns >= 1 if is_gtd else command.expires_at_ns == 0)
        and (command.side == Side.BUY or not is_compliance)
        and (command.scheme >= 1 if is_compliance else command.scheme == 0)
    )


def _has_known_conditions(command: Command) -> bool:
    """The part of check 1 that is about a stop price or a display quantity."""
    stop_ticks, display_lots = command.stop_price_ticks, command.display_quantity_lots
    is_post_only = command.flags & OrderFlag.POST_ONLY
    is_immediate = command.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    is_iceberg = (
        0 < display_lots < command.quantity_lots <= MAX_SLICES * display_lots
        and command.order_type == OrderType.LIMIT
        and not is_immediate
    )
    is_stop = 0 < stop_ticks <= MAX_PRICE_TICKS and not (
        is_post_only or command.minimum_quantity_lots or command.order_type >= OrderType.BLOCK
    )
    return (stop_ticks == 0 or is_stop) and (display_lots == 0 or (is_iceberg and not stop_ticks))


def _order_from(command: Command) -> Order:
    known = {each.name for each in fields(Order)}
    taken = {name: value for name, value in vars(command).items() if name in known}
    lots, time_ns = command.quantity_lots, command.time_ns
    own = {"order_id": 0, "remaining_lots": lots, "entered_time_ns": time_ns}
    order = Order(**taken | own)
    order.is_pending = order.stop_price_ticks > 0
    order.flags |= OrderFlag.STOP if order.stop_price_ticks else OrderFlag.NONE
    order.flags |= OrderFlag.ICEBERG if order.display_quantity_lots else OrderFlag.NONE
    return order


def _target(market: Market, command: Command) -> Order:
    """The open order that CANCEL, AMEND or REPLACE names. Raises Refusal."""
    order_id = command.order_id
    if command.target == Target.CLIENT_ORDER_ID:
        client_id = (command.account, command.client_id_high, command.client_id_low)
        registered = market.client_ids.get(client_id)
        if registered is None:
            raise Refusal(Code.ORDER_NOT_FOUND)
        refuse_if(not registered.is_order, Code.ORDER_NOT_OPEN)
        order_id = registered.value
    order = market.order(order_id)
    refuse_if(order.account != command.account, Code.ORDER_NOT_FOUND)
    return order


def _check_amendment(market: Market, command: Command) -> Order:
    """Checks 1 to 3 of AMEND_ORDER; returns the target. Raises Refusal."""
    refuse_if(
        command.target not in list(Target)
        or not 1 <= command.price_ticks <= MAX_PRICE_TICKS
        or not 1 <= command.quantity_lots <= MAX_QUANTITY_LOTS,
        Code.INVALID_REQUEST,
    )
    account = market.account(command.account)
    order = _target(market, command)
    refuse_if(account.is_blocked, Code.ACCOUNT_BLOCKED)
    refuse_if(order.is_off_book, Code.INVALID_REQUEST)
    return order


def _check_slices(order: Order, open_lots: int) -> None:
    most_lots = MAX_SLICES * order.display_quantity_lots
    refuse_if(0 < most_lots < open_lots, Code.INVALID_REQUEST)


def _amend(
    market: Market, order: Order, price_ticks: int, total_lots: int, keeps_priority: bool
) -> None:
    """Checks 5 to 9 of AMEND_ORDER, then the amendment."""
    remaining_lots = total_lots - order.filled_lots
    instrument = market.instruments[order.instrument]
    phases.check_phase(instrument)
    phases.check_cancel(market, instrument)
    wanted = replace(order, price_ticks=price_ticks, remaining_lots=remaining_lots)
    check_instrument(market, wanted)
    if keeps_priority:
        risk.check_account_limits(market, order.account, [])
        shrink_in_place(market, order, remaining_lots)
        return
    phases.check_book(market, wanted)
    risk.check_risk(market, wanted, standing=order)
    risk.check_account_limits(market, order.account, [wanted])
    withdraw(market, order)
    reenter(market, order, price_ticks, remaining_lots)


def _match(market: Market, taker: Order) -> Reason:
    """Trade `taker` as far as it goes. Returns why what is left may not rest, or NONE."""
    book = market.books[taker.instrument]
    rests = taker.order_type == OrderType.LIMIT and taker.time_in_force != TimeInForce.IOC
    band = phases.band(market, taker.instrument)
    is_fok = taker.time_in_force == TimeInForce.FOK
    if is_fok and not book.could_trade(taker, taker.remaining_lots, band):
        return Reason.FILL_OR_KILL
    while taker.remaining_lots > 0:
        maker = next(book.facing(taker), None)
        if maker is None:
            break
        if maker.price_ticks not in band:
            phases.interrupt(market, maker.instrument, maker.price_ticks)
            return Reason.NONE if rests else Reason.VOLATILITY_INTERRUPTION
        if maker.account != taker.account:
            quantity_lots = min(maker.shown_lots, taker.remaining_lots)
            trade(market, maker, taker, maker.price_ticks, quantity_lots, TradeType.CONTINUOUS)
            leave_if_served(market, maker)
        elif not _prevent_self_trade(market, maker, taker):
            return Reason.SELF_TRADE_PREVENTION
    if taker.order_type == OrderType.MARKET:
        return Reason.MARKET_REMAINDER
    if taker.time_in_force == TimeInForce.IOC:
        return Reason.IMMEDIATE_OR_CANCEL
    return Reason.NONE


def _prevent_self_trade(market: Market, resting: Order, taker: Order) -> bool:
    """Do as the mode of `taker` says with the two orders; whether it goes on matching."""
    reason = Reason.SELF_TRADE_PREVENTION
    mode = taker.self_trade_prevention
    if mode == SelfTradePrevention.CANCEL_NEWEST:
        return False
    own_lots = resting.remaining_lots
    if mode == SelfTradePrevention.DECREMENT and own_lots > taker.remaining_lots:
        shrink_in_place(market, resting, own_lots - taker.remaining_lots, reason)
        return False
    cancel(market, resting, reason)
    if mode == SelfTradePrevention.DECREMENT and own_lots < taker.remaining_lots:
        shrink_in_place(market, taker, taker.remaining_lots - own_lots, reason)
        return True
    return mode == SelfTradePrevention.CANCEL_OLDEST


def _cancel_unbooked(market: Market, order: Order, reason: Reason) -> None:
    risk.release(market, order)
    market.events.order(EventKind.ORDER_CANCELLED, order, reason)
    market.close_order(order)
