"""Trades outside price-time priority: MATCH_ORDERS, TAKE_ORDER and the rules of block trades."""

from __future__ import annotations

from engine.codes import (
    Code,
    EventKind,
    OrderType,
    Phase,
    Reason,
    TimeInForce,
    TradeType,
)
from engine.matching.reference import orders, risk
from engine.matching.reference.book import Order
from engine.matching.reference.events import Command
from engine.matching.reference.negotiated_checks import allows_price
from engine.matching.reference.state import Market, refuse_if
from engine.matching.reference.trades import leave_if_served, trade
from engine.units import EXCHANGE_ACCOUNT, MAX_PRICE_TICKS, MAX_QUANTITY_LOTS, ONE_MILLION


def match_orders(market: Market, command: Command) -> None:
    """MATCH_ORDERS: two orders off the book trade with each other."""
    is_in_bounds = (
        1 <= command.price_ticks <= MAX_PRICE_TICKS
        and 1 <= command.quantity_lots <= MAX_QUANTITY_LOTS
    )
    is_ours = command.account == EXCHANGE_ACCOUNT
    refuse_if(not is_in_bounds or not is_ours, Code.INVALID_REQUEST)
    instrument = market.instrument(command.instrument)
    client_id = (command.account, command.client_id_high, command.client_id_low)
    market.check_client_id_is_new(*client_id)
    maker = market.order(command.maker_order_id)
    taker = market.order(command.taker_order_id)
    refuse_if(not _are_a_pair(maker, taker, command.instrument), Code.INVALID_REQUEST)
    refuse_if(maker.account == taker.account, Code.WOULD_SELF_TRADE)
    refuse_if(instrument.phase == Phase.HALTED, Code.MARKET_HALTED)
    open_lots = min(maker.remaining_lots, taker.remaining_lots)
    refuse_if(command.quantity_lots > open_lots, Code.QUANTITY_TOO_LARGE)
    allowed = allows_price(instrument, maker, command.price_ticks) and all(
        order.reaches(command.price_ticks) for order in (maker, taker)
    )
    refuse_if(not allowed, Code.PRICE_OUTSIDE_LIMITS)

    market.register_client_id(*client_id, command.sequence, is_order=False)
    bid, ask = (maker, taker) if maker.is_buy else (taker, maker)
    market.events.answer(
        EventKind.ORDERS_MATCHED,
        bid_order_id=bid.order_id,
        ask_order_id=ask.order_id,
        quantity_lots=command.quantity_lots,
    )
    is_block = maker.order_type == OrderType.BLOCK
    trade_type = TradeType.BLOCK if is_block else TradeType.ONE_WAY
    trade(market, maker, taker, command.price_ticks, command.quantity_lots, trade_type)
    leave_if_served(market, maker)
    leave_if_served(market, taker)


def take_order(market: Market, command: Command) -> None:
    """TAKE_ORDER: one shown order, named by its id, is traded with ahead of all others."""
    is_limit_ioc = (
        command.order_type == OrderType.LIMIT and command.time_in_force == TimeInForce.IOC
    )
    is_plain = command.minimum_quantity_lots == command.stop_price_ticks == 0
    refuse_if(not is_limit_ioc or not is_plain, Code.INVALID_REQUEST)
    order = orders.accept(market, command)
    maker = market.order(command.order_id)
    risk.hold(market, order)
    trade(market, maker, order, maker.price_ticks, command.quantity_lots, TradeType.LISTED)
    leave_if_served(market, maker)
    market.close_order(order)


def set_block_rules(market: Market, command: Command) -> None:
    """SET_BLOCK_RULES; block orders that are open when the window closes leave."""
    is_well_formed = (
        1 <= command.quantity_lots <= MAX_QUANTITY_LOTS
        and 0 <= command.block_limit_ppm < ONE_MILLION
        and command.is_open in (0, 1)
    )
    refuse_if(not is_well_formed, Code.INVALID_REQUEST)
    instrument = market.instrument(command.instrument)
    instrument.minimum_block_lots = command.quantity_lots
    instrument.block_limit_ppm = command.block_limit_ppm
    instrument.is_block_window_open = command.is_open
    market.events.set_block_rules(
        minimum_block_lots=command.quantity_lots,
        block_limit_ppm=command.block_limit_ppm,
        is_open=command.is_open,
    )
    if not command.is_open:
        for order in market.books[command.instrument].off_book():
            if order.order_type == OrderType.BLOCK:
                orders.cancel(market, order, Reason.BLOCK_WINDOW_CLOSED)


def _are_a_pair(maker: Order, taker: Order, instrument: int) -> bool:
    return (
        maker.is_off_book
        and maker.order_type == taker.order_type
        and maker.instrument == taker.instrument == instrument
        and maker.side != taker.side
    )
