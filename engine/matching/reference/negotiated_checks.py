"""What is asked of an order off the book, and of one that takes a shown order by its id."""

from __future__ import annotations

from engine.codes import Code, InstrumentFlag, OrderType, Phase, Resting
from engine.matching.reference import phases
from engine.matching.reference.book import Order
from engine.matching.reference.risk import notional_fen
from engine.matching.reference.state import Instrument, Market, price_limits, refuse_if
from engine.units import MAX_NOTIONAL_FEN


def check_entry(market: Market, order: Order) -> None:
    """Checks 6 to 8 of NEW_ORDER for an order off the book. Raises Refusal."""
    instrument = market.instruments[order.instrument]
    refuse_if(instrument.phase == Phase.HALTED, Code.MARKET_HALTED)
    if order.order_type == OrderType.BLOCK:
        refuse_if(not instrument.is_block_window_open, Code.BLOCK_WINDOW_CLOSED)
        is_small = order.quantity_lots < instrument.minimum_block_lots
        refuse_if(is_small, Code.BELOW_MINIMUM_BLOCK)
    notional = notional_fen(instrument, order.price_ticks, order.quantity_lots)
    refuse_if(notional > MAX_NOTIONAL_FEN, Code.QUANTITY_TOO_LARGE)
    allowed = allows_price(instrument, order, order.price_ticks)
    refuse_if(not allowed, Code.PRICE_OUTSIDE_LIMITS)


def allows_price(instrument: Instrument, order: Order, price_ticks: int) -> bool:
    """Whether `order` may have, or trade at, this price now."""
    if order.order_type != OrderType.BLOCK:
        return True
    lower, upper = price_limits(instrument.reference_price_ticks, instrument.block_limit_ppm)
    return lower <= price_ticks <= upper


def check_listed(market: Market, order: Order, wanted_id: int) -> None:
    """Checks 9 and 10 of TAKE_ORDER. Raises Refusal."""
    is_listed = market.instruments[order.instrument].flags & InstrumentFlag.LISTED_SELECTION
    refuse_if(not is_listed, Code.INVALID_REQUEST)
    maker = market.order(wanted_id)
    # What is not shown cannot be named: it must not be told from what never was.
    is_shown = maker.resting == Resting.BOOK and maker.instrument == order.instrument
    refuse_if(not is_shown or maker.side == order.side, Code.ORDER_NOT_FOUND)
    refuse_if(maker.account == order.account, Code.WOULD_SELF_TRADE)
    is_reached = order.reaches(maker.price_ticks)
    is_enough = order.remaining_lots <= maker.shown_lots
    refuse_if(not is_reached or not is_enough, Code.CONFLICT)
    is_in_band = maker.price_ticks in phases.band(market, order.instrument)
    refuse_if(not is_in_band, Code.PRICE_OUTSIDE_LIMITS)
