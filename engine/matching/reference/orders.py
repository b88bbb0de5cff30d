"""The commands of one order: entry, cancellation, amendment; and matching."""

from __future__ import annotations

from dataclasses import fields, replace

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
    Target,
    TimeInForce,
)
from engine.matching.reference import risk
from engine.matching.reference.book import Order
from engine.matching.reference.events import Command
from engine.matching.reference.state import Instrument, Market, Refusal, refuse_if
from engine.units import MAX_PRICE_TICKS, MAX_QUANTITY_LOTS, MAX_SLICES, ORDER_SLOT_BITS

# As a plain integer: the complement of an IntFlag has no bits but those that it knows.
_CLIENT_FLAGS = int(
    OrderFlag.POST_ONLY | OrderFlag.CANCEL_ON_DISCONNECT | OrderFlag.CLIENT_ID_IS_UUID
)


def new_order(market: Market, command: Command) -> None:
    """NEW_ORDER: all its checks, in their order, then entry."""
    refuse_if(not _is_well_formed(command), Code.INVALID_REQUEST)
    account = market.account(command.account)
    instrument = market.instrument(command.instrument)
    client_id = (command.account, command.client_id_high, command.client_id_low)
    market.check_client_id_is_new(*client_id)
    is_gtd = command.time_in_force == TimeInForce.GTD
    refuse_if(is_gtd and command.expires_at_ns <= command.time_ns, Code.INVALID_REQUEST)
    refuse_if(account.is_blocked, Code.ACCOUNT_BLOCKED)
    check_phase(instrument)
    refuse_if(command.quantity_lots > instrument.maximum_order_lots, Code.QUANTITY_TOO_LARGE)

    order = _order_from(command)
    if order.price_ticks == 0:  # a market order without protection price
        order.price_ticks = (
            min(instrument.upper_limit_ticks, MAX_PRICE_TICKS)
            if order.is_buy
            else instrument.lower_limit_ticks
        )
    refuse_if(not instrument.allows_price(order.price_ticks), Code.PRICE_OUTSIDE_LIMITS)
    stop_is_allowed = instrument.allows_price(order.stop_price_ticks)
    refuse_if(order.is_pending and not stop_is_allowed, Code.PRICE_OUTSIDE_LIMITS)
    check_book(market, order)
    risk.check_risk(market, order)
    risk.check_account_limits(market, order.account, [order], new_orders=1)
    has_row = market.has_room_for_position(order.account, order.instrument)
    refuse_if(not has_row or not market.has_room_for_orders(1), Code.ENGINE_FULL)

    market.open_order(order)
    market.register_client_id(*client_id, order.order_id, is_order=True)
    minimum_lots = command.minimum_quantity_lots
    market.events.order(EventKind.ORDER_ACCEPTED, order, minimum_quantity_lots=minimum_lots)
    enter(market, order, minimum_lots)


def cancel_order(market: Market, command: Command) -> None:
    """CANCEL_ORDER."""
    refuse_if(command.target not in list(Target), Code.INVALID_REQUEST)
    market.account(command.account)
    order = _target(market, command)
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


def cancel_all(market: Market, command: Command) -> None:
    """CANCEL_ALL: every order that each part of the filter lets through."""
    known_flags = command.flags in (OrderFlag.NONE, OrderFlag.CANCEL_ON_DISCONNECT)
    refuse_if(command.side not in list(Side) or not known_flags, Code.INVALID_REQUEST)
    if command.account != 0:
        market.account(command.account)
    if command.instrument != 0:
        market.instrument(command.instrument)

    chosen = [
        order
        for order in market.listed_orders(command.account, command.instrument)
        if command.account in (0, order.account)
        and command.instrument in (0, order.instrument)
        and command.side in (Side.ANY, order.side)
        and command.filter_gateway in (0, order.gateway)
        and command.filter_session in (0, order.session)
        and order.flags & command.flags == command.flags
    ]
    market.events.answer(EventKind.ORDERS_CANCELLED, quantity_lots=len(chosen))
    reason = Reason.DISCONNECTED if command.flags else Reason.MASS_CANCELLED
    for order in chosen:
        cancel(market, order, reason)


def expire_orders(market: Market, command: Command) -> None:
    """EXPIRE_ORDERS: every gtd order whose time has come."""
    expired = sorted(
        (
            order
            for order in market.orders.values()
            if order.time_in_force == TimeInForce.GTD and order.expires_at_ns <= command.time_ns
        ),
        key=lambda order: (order.expires_at_ns, order.order_id),
    )
    market.events.answer(EventKind.ORDERS_CANCELLED, quantity_lots=len(expired))
    for order in expired:
        cancel(market, order, Reason.EXPIRED)


def check_phase(instrument: Instrument) -> None:
    """Raises Refusal unless the instrument trades continuously."""
    refuse_if(instrument.phase == Phase.HALTED, Code.MARKET_HALTED)
    refuse_if(instrument.phase != Phase.CONTINUOUS, Code.MARKET_CLOSED)


def check_book(market: Market, order: Order) -> None:
    """Checks 9 and 10 of NEW_ORDER: whom the order would meet first. Raises Refusal."""
    first = next(market.books[order.instrument].facing(order), None)
    if first is not None and not order.is_pending:
        refuse_if(order.is_post_only, Code.WOULD_CROSS)
        gives_way = order.self_trade_prevention == SelfTradePrevention.CANCEL_NEWEST
        refuse_if(gives_way and first.account == order.account, Code.WOULD_SELF_TRADE)


def enter(market: Market, order: Order, minimum_lots: int = 0) -> None:
    """Hold for `order`, match it, and let what is left rest or be cancelled. Cannot fail.

    If less than `minimum_lots` could be traded, all of it is cancelled.
    """
    risk.hold(market, order)
    if order.resting != Resting.BOOK:
        reason = Reason.NONE
    elif market.books[order.instrument].could_trade(order, minimum_lots):
        reason = _match(market, order)
    else:
        reason = Reason.MINIMUM_QUANTITY
    if order.remaining_lots == 0:
        market.close_order(order)
    elif reason != Reason.NONE:
        _cancel_unbooked(market, order, reason)
    else:
        market.books[order.instrument].add(order)


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
    is_fok = command.time_in_force == TimeInForce.FOK
    is_post_only = command.flags & OrderFlag.POST_ONLY
    most_minimum_lots = 0 if is_fok or is_post_only else command.quantity_lots
    is_compliance = command.purpose == Purpose.COMPLIANCE
    return (
        command.side in (Side.BUY, Side.SELL)
        and command.order_type in list(OrderType)
        and command.time_in_force in list(TimeInForce)
        and command.self_trade_prevention in list(SelfTradePrevention)
        and command.purpose in list(Purpose)
        and command.flags & ~_CLIENT_FLAGS == 0
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
        is_post_only or command.minimum_quantity_lots
    )
    return (stop_ticks == 0 or is_stop) and (display_lots == 0 or (is_iceberg and not stop_ticks))


def _order_from(command: Command) -> Order:
    known = {each.name for each in fields(Order)}
    taken = {name: value for name, value in vars(command).items() if name in known}
    of_its_own = {
        "order_id": 0,
        "entered_time_ns": command.time_ns,
        "remaining_lots": command.quantity_lots,
    }
    order = Order(**taken | of_its_own)
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
    number = order_id >> ORDER_SLOT_BITS
    refuse_if(not 1 <= number < market.next_order_number, Code.ORDER_NOT_FOUND)
    order = market.orders.get(order_id)
    if order is None:
        raise Refusal(Code.ORDER_NOT_OPEN)
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
    return order


def _check_slices(order: Order, open_lots: int) -> None:
    most_lots = MAX_SLICES * order.display_quantity_lots
    refuse_if(0 < most_lots < open_lots, Code.INVALID_REQUEST)


def _amend(
    market: Market, order: Order, price_ticks: int, total_lots: int, keeps_priority: bool
) -> None:
    """Checks 5 to 9 of AMEND_ORDER, then the amendment."""
    instrument = market.instruments[order.instrument]
    remaining_lots = total_lots - order.filled_lots
    check_phase(instrument)
    refuse_if(remaining_lots > instrument.maximum_order_lots, Code.QUANTITY_TOO_LARGE)
    refuse_if(not instrument.allows_price(price_ticks), Code.PRICE_OUTSIDE_LIMITS)
    if keeps_priority:
        risk.check_account_limits(market, order.account, [])
        shrink_in_place(market, order, remaining_lots)
        return
    wanted = replace(order, price_ticks=price_ticks, remaining_lots=remaining_lots)
    check_book(market, wanted)
    risk.check_risk(market, wanted, standing=order)
    risk.check_account_limits(market, order.account, [wanted])
    withdraw(market, order)
    reenter(market, order, price_ticks, remaining_lots)


def _match(market: Market, taker: Order) -> Reason:
    """Trade `taker` as far as it goes. Returns why what is left may not rest, or NONE."""
    book = market.books[taker.instrument]
    is_fok = taker.time_in_force == TimeInForce.FOK
    if is_fok and not book.could_trade(taker, taker.remaining_lots):
        return Reason.FILL_OR_KILL
    while taker.remaining_lots > 0:
        maker = next(book.facing(taker), None)
        if maker is None:
            break
        if maker.account != taker.account:
            _trade(market, maker, taker)
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


def _trade(market: Market, maker: Order, taker: Order) -> None:
    """One match, at the maker's price. A filled maker leaves the book and gives its slot back."""
    quantity_lots = min(maker.shown_lots, taker.remaining_lots)
    maker.slice_lots -= min(maker.slice_lots, quantity_lots)
    maker_fee_fen, taker_fee_fen = risk.exchange(market, maker, taker, quantity_lots)
    market.instruments[maker.instrument].last_price_ticks = maker.price_ticks
    market.events.trade(
        instrument=maker.instrument,
        trade_id=market.next_trade_id,
        maker_order_id=maker.order_id,
        taker_order_id=taker.order_id,
        price_ticks=maker.price_ticks,
        quantity_lots=quantity_lots,
        maker_remaining_lots=maker.remaining_lots,
        taker_remaining_lots=taker.remaining_lots,
        maker_fee_fen=maker_fee_fen,
        taker_fee_fen=taker_fee_fen,
        maker_account=maker.account,
        taker_account=taker.account,
        taker_side=taker.side,
        maker_purpose=maker.purpose,
        taker_purpose=taker.purpose,
    )
    market.next_trade_id += 1
    if maker.shown_lots == 0:
        market.books[maker.instrument].remove(maker)
        if maker.remaining_lots == 0:
            market.close_order(maker)
        else:
            market.books[maker.instrument].add(maker)
            market.events.order(EventKind.ORDER_REFRESHED, maker)


def _cancel_unbooked(market: Market, order: Order, reason: Reason) -> None:
    risk.release(market, order)
    market.events.order(EventKind.ORDER_CANCELLED, order, reason)
    market.close_order(order)
