"""One trade: what changes hands, what is told of it, and what becomes of a resting order."""

from __future__ import annotations

from engine.codes import EventKind, TradeType
from engine.matching.reference import risk
from engine.matching.reference.book import Order
from engine.matching.reference.state import Market


def trade(
    market: Market,
    maker: Order,
    taker: Order,
    price_ticks: int,
    quantity_lots: int,
    trade_type: TradeType,
) -> None:
    """One match."""
    for order in (maker, taker):
        order.slice_lots -= min(order.slice_lots, quantity_lots)
    maker_fee_fen, taker_fee_fen = risk.exchange(market, maker, taker, price_ticks, quantity_lots)
    if trade_type not in (TradeType.BLOCK, TradeType.ONE_WAY):
        market.instruments[maker.instrument].last_price_ticks = price_ticks
    of_both = {
        f"{role}_{name}": getattr(order, name)
        for role, order in (("maker", maker), ("taker", taker))
        for name in ("order_id", "remaining_lots", "account", "purpose")
    }
    market.events.trade(
        instrument=maker.instrument,
        trade_id=market.next_trade_id,
        price_ticks=price_ticks,
        quantity_lots=quantity_lots,
        maker_fee_fen=maker_fee_fen,
        taker_fee_fen=taker_fee_fen,
        taker_side=taker.side,
        trade_type=trade_type,
        **of_both,
    )
    market.next_trade_id += 1


def leave_if_served(market: Market, order: Order) -> None:
    """A resting order that is filled gives its slot back; after a filled slice comes the next."""
    if order.remaining_lots == 0:
        market.books[order.instrument].remove(order)
        market.close_order(order)
    elif order.shown_lots == 0 and not order.is_off_book:
        market.books[order.instrument].remove(order)
        market.books[order.instrument].add(order)
        market.events.order(EventKind.ORDER_REFRESHED, order)
