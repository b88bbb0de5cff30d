"""SET_QUOTE: an account's one standing two-sided quote in an instrument."""

from __future__ import annotations

from dataclasses import dataclass

from engine.codes import (
    Code,
    EventKind,
    OrderFlag,
    OrderType,
    Purpose,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from engine.matching.reference import orders, phases, risk
from engine.matching.reference.book import Order
from engine.matching.reference.events import Command
from engine.matching.reference.state import Instrument, Market, refuse_if
from engine.units import MAX_PRICE_TICKS, MAX_QUANTITY_LOTS


@dataclass(frozen=True)
class QuoteSide:
    """What shall stand on one side, and the order that stands there now."""

    wanted: Order  # of quantity 0: nothing shall stand
    standing: Order | None

    @property
    def is_wanted(self) -> bool:
        return self.wanted.remaining_lots > 0

    @property
    def is_withdrawn(self) -> bool:
        return self.standing is not None and not self.is_wanted

    @property
    def is_new(self) -> bool:
        return self.standing is None and self.is_wanted

    @property
    def changes_standing(self) -> bool:
        """Whether an order that stands is cancelled or amended."""
        if self.standing is None:
            return False
        return not self.is_kept or self.standing.remaining_lots != self.wanted.remaining_lots

    @property
    def is_kept(self) -> bool:
        """Whether the standing order stays where it is, untouched or smaller."""
        return (
            self.standing is not None
            and self.is_wanted
            and self.standing.price_ticks == self.wanted.price_ticks
            and self.standing.remaining_lots >= self.wanted.remaining_lots
        )


def set_quote(market: Market, command: Command) -> None:
    """SET_QUOTE: all its checks, in their order, then both sides."""
    refuse_if(not _is_well_formed(command), Code.INVALID_REQUEST)
    account = market.account(command.account)
    instrument = market.instrument(command.instrument)
    sides = (_bid(market, command), _ask(market, command))
    wanted = [side for side in sides if side.is_wanted]
    if wanted:
        refuse_if(account.is_blocked, Code.ACCOUNT_BLOCKED)
        phases.check_phase(instrument)
    _check_wanted(market, instrument, wanted)
    new_orders = sum(side.is_new for side in sides)
    if wanted:
        wanted_orders = [side.wanted for side in wanted]
        risk.check_account_limits(market, command.account, wanted_orders, new_orders)
    refuse_if(not market.has_room_for_orders(new_orders), Code.ENGINE_FULL)
    has_row = market.has_room_for_position(command.account, command.instrument)
    refuse_if(bool(wanted) and not has_row, Code.ENGINE_FULL)
    if instrument.is_in_call_auction:
        for side in wanted:
            refuse_if(phases.meets_own(market, side.wanted, but_quote=True), Code.WOULD_SELF_TRADE)
    if any(side.changes_standing for side in sides):
        phases.check_cancel(market, instrument)

    reply = market.events.answer(EventKind.QUOTE_SET)
    for side in sides:
        _leave_book(market, side)
    for side in sides:
        _enter(market, side)
    position = market.position(command.account, command.instrument)
    reply["bid_order_id"] = position.bid_quote_order_id
    reply["ask_order_id"] = position.ask_quote_order_id


def _is_well_formed(command: Command) -> bool:
    for price, quantity in (
        (command.bid_price_ticks, command.bid_quantity_lots),
        (command.ask_price_ticks, command.ask_quantity_lots),
    ):
        if not 0 <= quantity <= MAX_QUANTITY_LOTS:
            return False
        if quantity > 0 and not 1 <= price <= MAX_PRICE_TICKS:
            return False
    both = command.bid_quantity_lots > 0 and command.ask_quantity_lots > 0
    if both and command.bid_price_ticks >= command.ask_price_ticks:
        return False
    return command.flags in (OrderFlag.NONE, OrderFlag.CANCEL_ON_DISCONNECT)


def _bid(market: Market, command: Command) -> QuoteSide:
    order_id = market.position(command.account, command.instrument).bid_quote_order_id
    wanted = _order(command, Side.BUY, command.bid_price_ticks, command.bid_quantity_lots)
    return QuoteSide(wanted, market.orders.get(order_id))


def _ask(market: Market, command: Command) -> QuoteSide:
    order_id = market.position(command.account, command.instrument).ask_quote_order_id
    wanted = _order(command, Side.SELL, command.ask_price_ticks, command.ask_quantity_lots)
    return QuoteSide(wanted, market.orders.get(order_id))


def _order(command: Command, side: Side, price_ticks: int, quantity_lots: int) -> Order:
    return Order(
        order_id=0,
        client_id_high=0,
        client_id_low=0,
        entered_time_ns=command.time_ns,
        price_ticks=price_ticks,
        quantity_lots=quantity_lots,
        remaining_lots=quantity_lots,
        account=command.account,
        instrument=command.instrument,
        scheme=0,
        session=command.session,
        side=side,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        flags=command.flags | OrderFlag.QUOTE,
        self_trade_prevention=SelfTradePrevention.CANCEL_NEWEST,
        purpose=Purpose.MARKET_MAKING,
        gateway=command.gateway,
    )


def _check_wanted(market: Market, instrument: Instrument, wanted: list[QuoteSide]) -> None:
    """Checks 4 to 6, each for the bid and then for the ask. Raises Refusal."""
    for side in wanted:
        too_large = side.wanted.remaining_lots > instrument.maximum_order_lots
        refuse_if(too_large, Code.QUANTITY_TOO_LARGE)
    for side in wanted:
        allowed = instrument.allows_price(side.wanted.price_ticks)
        refuse_if(not allowed, Code.PRICE_OUTSIDE_LIMITS)
    for side in wanted:
        risk.check_risk(market, side.wanted, side.standing)


def _leave_book(market: Market, side: QuoteSide) -> None:
    """Withdrawn orders and those to be entered again leave before either side is entered."""
    if side.standing is not None and not side.is_kept:
        orders.withdraw(market, side.standing)
        if side.is_withdrawn:
            market.close_order(side.standing)


def _enter(market: Market, side: QuoteSide) -> None:
    """Bring one side to what is wanted, and say what changed."""
    standing, wanted = side.standing, side.wanted
    if side.is_new:
        market.open_order(wanted)
        market.events.order(EventKind.ORDER_ACCEPTED, wanted)
        orders.enter(market, wanted)
    elif standing is None:
        return
    elif side.is_withdrawn:
        market.events.order(EventKind.ORDER_CANCELLED, standing, Reason.QUOTE_WITHDRAWN)
    elif not side.is_kept:
        orders.reenter(market, standing, wanted.price_ticks, wanted.remaining_lots)
    elif standing.remaining_lots > wanted.remaining_lots:
        orders.shrink_in_place(market, standing, wanted.remaining_lots)
