"""What an instrument's phase lets in: which orders, which cancellations, and trades how far off."""

from __future__ import annotations

from engine.codes import (
    Code,
    EventKind,
    OrderType,
    Phase,
    SelfTradePrevention,
    TimeInForce,
)
from engine.matching.reference.book import Order
from engine.matching.reference.events import Command
from engine.matching.reference.state import Instrument, Market, price_limits, refuse_if
from engine.units import MAX_PRICE_TICKS, NANOSECONDS_PER_SECOND


def check_phase(instrument: Instrument) -> None:
    """Raises Refusal unless the instrument takes orders."""
    refuse_if(instrument.phase == Phase.HALTED, Code.MARKET_HALTED)
    takes_orders = instrument.phase in (Phase.CONTINUOUS, Phase.CALL_AUCTION)
    refuse_if(not takes_orders, Code.MARKET_CLOSED)


def check_cancel(market: Market, instrument: Instrument) -> None:
    """Raises Refusal when clients may not cancel or amend."""
    refuse_if(not instrument.allows_cancel(market.time_ns), Code.CANCEL_NOT_ALLOWED)


def allows_cancel(market: Market, order: Order) -> bool:
    return market.instruments[order.instrument].allows_cancel(market.time_ns)


def check_book(market: Market, order: Order) -> None:
    """Checks 9 and 10 of NEW_ORDER: whom the order would meet first. Raises Refusal."""
    if order.is_pending:
        return
    if market.instruments[order.instrument].is_in_call_auction:
        refuse_if(order.is_post_only, Code.NOT_IN_CALL_AUCTION)
        refuse_if(meets_own(market, order), Code.WOULD_SELF_TRADE)
        return
    first = next(market.books[order.instrument].facing(order), None)
    if first is not None:
        refuse_if(order.is_post_only, Code.WOULD_CROSS)
        gives_way = order.self_trade_prevention == SelfTradePrevention.CANCEL_NEWEST
        refuse_if(gives_way and first.account == order.account, Code.WOULD_SELF_TRADE)


def meets_own(market: Market, order: Order, but_quote: bool = False) -> bool:
    """Whether `order` reaches an order of its own account (but one of its quote's, if so asked)."""
    facing = market.books[order.instrument].facing(order)
    return any(
        each.account == order.account and not (but_quote and each.is_quote) for each in facing
    )


def is_auction_order(command: Command) -> bool:
    rests = command.time_in_force in (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD)
    is_limit = command.order_type == OrderType.LIMIT
    is_plain = command.minimum_quantity_lots == 0 and command.display_quantity_lots == 0
    # A stop waits for continuous trading, whatever it then does.
    return command.stop_price_ticks > 0 or (rests and is_limit and is_plain)


def band(market: Market, number: int) -> range:
    """The prices at which an order may trade now: any, unless volatility interrupts."""
    instrument = market.instruments[number]
    if instrument.volatility_ppm == 0:
        return range(1, MAX_PRICE_TICKS + 1)
    # All orders that one command enters are measured from where the first one began.
    anchor_ticks = market.anchors.setdefault(number, instrument.anchor_ticks)
    lower, upper = price_limits(anchor_ticks, instrument.volatility_ppm)
    return range(lower, upper + 1)


def interrupt(market: Market, number: int, price_ticks: int) -> None:
    """Go over to a call auction instead of trading at this price."""
    instrument = market.instruments[number]
    instrument.phase = Phase.CALL_AUCTION
    instrument.is_interrupted = True
    lasts_ns = instrument.interruption_seconds * NANOSECONDS_PER_SECOND
    instrument.ends_at_ns = market.time_ns + lasts_ns
    instrument.cancel_until_ns = 0
    market.events.auction(
        EventKind.VOLATILITY_INTERRUPTED,
        instrument=number,
        price_ticks=price_ticks,
        ends_at_ns=instrument.ends_at_ns,
        phase=Phase.CALL_AUCTION,
    )
