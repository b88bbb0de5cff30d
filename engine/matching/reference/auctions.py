"""Phases, and the auctions that end when they change."""

from __future__ import annotations

from engine.auction_price import auction_price
from engine.codes import Code, EventKind, Phase, Reason, Side, TradeType
from engine.matching.reference import orders
from engine.matching.reference.events import Command
from engine.matching.reference.state import Market, refuse_if
from engine.matching.reference.trades import leave_if_served, trade
from engine.units import MAX_INTERRUPTION_SECONDS, ONE_MILLION


def set_phase(market: Market, command: Command) -> None:
    """SET_PHASE; day orders end with the phase closed."""
    is_known = command.phase in list(Phase)
    is_well_timed = command.ends_at_ns >= 0 and command.cancel_until_ns >= 0
    refuse_if(not is_known or not is_well_timed, Code.INVALID_REQUEST)
    market.instrument(command.instrument)
    _change_phase(
        market,
        command.instrument,
        phase=command.phase,
        ends_at_ns=command.ends_at_ns,
        cancel_until_ns=command.cancel_until_ns,
    )
    if command.phase == Phase.CLOSED:
        for order in market.listed_orders(instrument=command.instrument):
            if order.is_day:
                orders.cancel(market, order, Reason.DAY_EXPIRED)


def set_volatility(market: Market, command: Command) -> None:
    """SET_VOLATILITY: from when on a move of the price interrupts trading, and for how long."""
    ppm, seconds = command.volatility_ppm, command.interruption_seconds
    least_seconds = 1 if ppm else 0
    is_long = least_seconds <= seconds <= MAX_INTERRUPTION_SECONDS
    refuse_if(not 0 <= ppm < ONE_MILLION or not is_long, Code.INVALID_REQUEST)
    instrument = market.instrument(command.instrument)
    instrument.volatility_ppm = ppm
    instrument.interruption_seconds = seconds
    market.events.auction(
        EventKind.VOLATILITY_SET, volatility_ppm=ppm, interruption_seconds=seconds
    )


def end_interruptions(market: Market, command: Command) -> None:
    """END_INTERRUPTIONS: trading goes on wherever the time has come."""
    ended = [
        number
        for number, instrument in sorted(market.instruments.items())
        if instrument.is_interrupted and instrument.ends_at_ns <= command.time_ns
    ]
    market.events.answer(EventKind.INTERRUPTIONS_ENDED, quantity_lots=len(ended))
    for number in ended:
        _change_phase(market, number, phase=Phase.CONTINUOUS, ends_at_ns=0, cancel_until_ns=0)


def _change_phase(market: Market, number: int, **terms: int) -> None:
    """Say that a phase begins; end the auction if one lies behind and trading or the end ahead."""
    instrument = market.instruments[number]
    was_auction = instrument.is_in_call_auction
    for name, value in terms.items():
        setattr(instrument, name, value)
    instrument.is_interrupted = False
    market.events.auction(EventKind.PHASE_CHANGED, instrument=number, **terms)
    # An auction may have been halted before it could end.
    if terms["phase"] in (Phase.CONTINUOUS, Phase.CLOSED) and (
        was_auction or market.books[number].is_crossed
    ):
        _uncross(market, number)


def _uncross(market: Market, number: int) -> None:
    """Tell how the auction ends, and trade at its price: by price, then time."""
    book, instrument = market.books[number], market.instruments[number]
    bids, asks = (
        [(order.price_ticks, order.remaining_lots) for order in book.orders(side)]
        for side in (Side.BUY, Side.SELL)
    )
    found = auction_price(bids, asks, instrument.anchor_ticks)
    market.events.auction(EventKind.AUCTION_ENDED, instrument=number, **found._asdict())
    left_lots = found.quantity_lots
    while left_lots > 0:
        pair = [next(book.orders(side)) for side in (Side.BUY, Side.SELL)]
        lots = min(left_lots, *(order.shown_lots for order in pair))
        maker, taker = sorted(pair, key=lambda order: (order.entered_time_ns, order.order_id))
        trade(market, maker, taker, found.price_ticks, lots, TradeType.AUCTION)
        left_lots -= lots
        for order in pair:
            leave_if_served(market, order)
