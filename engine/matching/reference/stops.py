"""Stop orders whose price was reached."""

from __future__ import annotations

from engine.codes import EventKind, Phase, Side
from engine.matching.reference import orders
from engine.matching.reference.book import Order
from engine.matching.reference.state import Instrument, Market


def trigger_stops(market: Market) -> None:
    """Enter every stop that its instrument's last price has reached, until there is none left."""
    for number, instrument in sorted(market.instruments.items()):
        while (order := _next_triggered(market, number, instrument)) is not None:
            orders.withdraw(market, order)
            order.is_pending = False
            order.entered_time_ns = market.time_ns
            market.events.order(EventKind.ORDER_TRIGGERED, order)
            orders.enter(market, order)


def _next_triggered(market: Market, number: int, instrument: Instrument) -> Order | None:
    last_ticks = instrument.last_price_ticks
    if last_ticks == 0 or instrument.phase != Phase.CONTINUOUS:
        return None
    for order in market.books[number].stops(Side.BUY):
        if last_ticks >= order.stop_price_ticks:
            return order
    for order in market.books[number].stops(Side.SELL):
        if last_ticks <= order.stop_price_ticks:
            return order
    return None
