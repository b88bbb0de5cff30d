"""What an order may ask for, what is held for it, and what changes hands in a trade."""

from __future__ import annotations

from engine.codes import Code, CommandKind
from engine.matching.reference.book import Order
from engine.matching.reference.events import Command
from engine.matching.reference.state import Instrument, Market, Position, Refusal, refuse_if
from engine.units import EXCHANGE_ACCOUNT, NANOSECONDS_PER_SECOND, ONE_MILLION

_COUNTED_KINDS = (CommandKind.NEW_ORDER, CommandKind.AMEND_ORDER, CommandKind.REPLACE_ORDER)


def notional_fen(instrument: Instrument, price_ticks: int, quantity_lots: int) -> int:
    return price_ticks * instrument.tick_fen * quantity_lots


def fee_fen(notional: int, fee_ppm: int) -> int:
    """The fee for one trade, rounded down to the fen."""
    return notional * fee_ppm // ONE_MILLION


def hold_fen(instrument: Instrument, price_ticks: int, quantity_lots: int) -> int:
    """Cash held for a buy order: its notional and the greater of the two fees."""
    notional = notional_fen(instrument, price_ticks, quantity_lots)
    return notional + fee_fen(notional, max(instrument.maker_fee_ppm, instrument.taker_fee_ppm))


def check_risk(market: Market, wanted: Order, standing: Order | None = None) -> None:
    """Checks 11 to 14 of NEW_ORDER for what `wanted` has open.

    `standing` is the order whose place it takes: that one's quantity and hold count as given back.
    Raises Refusal.
    """
    instrument = market.instruments[wanted.instrument]
    position = market.position(wanted.account, wanted.instrument)
    quantity = wanted.remaining_lots
    returned = standing.remaining_lots if standing else 0

    if wanted.is_compliance:
        allowance = market.allowances.get((wanted.account, wanted.scheme))
        if allowance is None:
            raise Refusal(Code.NOT_ELIGIBLE)
        counted = allowance.used_lots + allowance.held_lots + allowance.open_lots
        refuse_if(counted - returned + quantity > allowance.cap_lots, Code.OFFSET_CAP_EXCEEDED)

    if wanted.is_buy:
        holding = position.available_lots + position.held_lots + position.locked_lots
        after = holding + position.buying_lots - returned + quantity
        refuse_if(after > instrument.maximum_holding_lots, Code.MAX_HOLDING_EXCEEDED)

        available = market.accounts[wanted.account].available_fen
        if standing:
            available += hold_fen(instrument, standing.price_ticks, standing.remaining_lots)
        hold = hold_fen(instrument, wanted.price_ticks, quantity)
        refuse_if(hold > available, Code.INSUFFICIENT_FUNDS)
    else:
        check_credits(position, quantity - returned)


def check_account_limits(
    market: Market, number: int, entering: list[Order], new_orders: int = 0
) -> None:
    """What the operator allows the account: check 15 of NEW_ORDER. Raises Refusal.

    `new_orders` of those that enter were not open before.
    """
    account = market.accounts[number]
    most_in_second = account.maximum_orders_per_second
    in_second = account.orders_in_second if account.counted_second == _second(market) else 0
    refuse_if(0 < most_in_second <= in_second, Code.ORDER_RATE_EXCEEDED)
    open_orders = account.open_orders + new_orders
    too_many = new_orders > 0 and open_orders > account.maximum_open_orders > 0
    refuse_if(too_many, Code.TOO_MANY_OPEN_ORDERS)
    for order in entering:
        instrument = market.instruments[order.instrument]
        notional = notional_fen(instrument, order.price_ticks, order.remaining_lots)
        refuse_if(notional > account.maximum_order_fen > 0, Code.NOTIONAL_LIMIT_EXCEEDED)


def count_accepted(market: Market, command: Command) -> None:
    """Count a command that entered or changed an order, if its account's rate is limited."""
    is_quote = command.kind == CommandKind.SET_QUOTE
    if command.kind not in _COUNTED_KINDS and not is_quote:
        return
    if is_quote and command.bid_quantity_lots == command.ask_quantity_lots == 0:
        return
    account = market.accounts[command.account]
    if account.maximum_orders_per_second > 0:
        if account.counted_second != _second(market):
            account.counted_second, account.orders_in_second = _second(market), 0
        account.orders_in_second += 1


def _second(market: Market) -> int:
    """The whole second of the command in hand."""
    return market.time_ns // NANOSECONDS_PER_SECOND


def check_credits(position: Position, quantity_lots: int) -> None:
    """Whether `quantity_lots` can be taken from what is available. Raises Refusal."""
    if quantity_lots > position.available_lots:
        locked_would_do = quantity_lots <= position.available_lots + position.locked_lots
        raise Refusal(Code.RESALE_LOCKED if locked_would_do else Code.INSUFFICIENT_CREDITS)


def hold(market: Market, order: Order) -> None:
    """Set aside what `order` may need for all that it has open."""
    _change_hold(market, order, 1)


def release(market: Market, order: Order) -> None:
    """Give back what is held for all that `order` has open."""
    _change_hold(market, order, -1)


def _change_hold(market: Market, order: Order, sign: int) -> None:
    position = market.positions[order.account, order.instrument]
    quantity = sign * order.remaining_lots
    if order.is_buy:
        account = market.accounts[order.account]
        instrument = market.instruments[order.instrument]
        amount = sign * hold_fen(instrument, order.price_ticks, order.remaining_lots)
        account.available_fen -= amount
        account.held_fen += amount
        position.buying_lots += quantity
    else:
        position.available_lots -= quantity
        position.held_lots += quantity
    if order.is_compliance:
        market.allowances[order.account, order.scheme].open_lots += quantity


def shrink(market: Market, order: Order, remaining_lots: int) -> None:
    """Lower what `order` has open, and its hold with it."""
    release(market, order)
    order.remaining_lots = remaining_lots
    hold(market, order)


def exchange(market: Market, maker: Order, taker: Order, quantity_lots: int) -> tuple[int, int]:
    """Credits against cash at the maker's price. Returns the maker's and the taker's fee in fen."""
    instrument = market.instruments[maker.instrument]
    notional = notional_fen(instrument, maker.price_ticks, quantity_lots)
    maker_fee = fee_fen(notional, instrument.maker_fee_ppm)
    taker_fee = fee_fen(notional, instrument.taker_fee_ppm)
    for order in (maker, taker):
        shrink(market, order, order.remaining_lots - quantity_lots)

    buyer, seller = (taker, maker) if taker.is_buy else (maker, taker)
    buyer_fee, seller_fee = (taker_fee, maker_fee) if taker.is_buy else (maker_fee, taker_fee)
    market.accounts[buyer.account].available_fen -= notional + buyer_fee
    market.accounts[seller.account].available_fen += notional - seller_fee
    market.accounts[EXCHANGE_ACCOUNT].available_fen += buyer_fee + seller_fee

    market.positions[seller.account, seller.instrument].available_lots -= quantity_lots
    bought = market.positions[buyer.account, buyer.instrument]
    if instrument.has_resale_lock:
        bought.locked_lots += quantity_lots
    else:
        bought.available_lots += quantity_lots
    if buyer.is_compliance:
        market.allowances[buyer.account, buyer.scheme].held_lots += quantity_lots
    return maker_fee, taker_fee
