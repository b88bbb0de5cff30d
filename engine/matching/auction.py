"""The end of a call auction: one price, and trades at it by price, then time.

Both sides have rested with all that they hold, so each trade is booked for two resting orders.
Nobody meets an order of the same account: such an order was refused when it came.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.codes import Code, EventKind, Phase, Side, TradeType
from engine.compiled import inlined, int64, kernel
from engine.matching.arrays import EngineArrays
from engine.matching.continuous import (
    Trade,
    best_is_reached,
    first_opposite,
    settle_resting_apart,
    tell_trade_apart,
)
from engine.matching.events import add_admin_reply, add_event, add_reply, refuse
from engine.matching.identity import is_defined
from engine.matching.lifecycle import leave_filled_apart
from engine.matching.stops import trigger_stops
from engine.orderbook.arrays import NO_LEVEL, BookArrays
from engine.orderbook.ladder import ladder_price, next_level
from engine.orderbook.queues import open_lots, shrink_in_queue
from engine.risk import fee_of
from engine.units import EXCHANGE_ACCOUNT, MAX_INTERRUPTION_SECONDS, NEVER_NS, ONE_MILLION


class Clearing(NamedTuple):
    """How an auction ends."""

    price_ticks: int  # 0: nothing trades
    quantity_lots: int
    surplus_lots: int  # buy minus sell


class Front(NamedTuple):
    """The best level of a side of which something is left."""

    place: int  # its ladder index; NO_LEVEL: nothing is
    price_ticks: int
    lots: int


@inlined
def _front(book: BookArrays, number: int, side: int, index: int) -> Any:
    """The front at a level, with all that stands there."""
    if index == NO_LEVEL:
        return Front(index, int64(0), int64(0))
    book_side = book.sides[2 * number + side]
    level = book.levels[book_side["first_level"] + index]
    lots = level["quantity_lots"]
    if book.pool[0]["hidden_slices"] != 0:
        lots = _open_at(book, int64(level["head"]))
    return Front(index, ladder_price(book, number, side, index), lots)


@kernel
def _open_at(book: BookArrays, slot: int) -> Any:
    """All that a queue, which begins with this slot, has open, shown or not."""
    lots = int64(0)
    while slot != 0:
        lots += open_lots(book, slot)
        slot = int64(book.orders[slot]["next"])
    return lots


@inlined
def _behind(book: BookArrays, number: int, side: int, front: Front) -> Any:
    """The next front of a side."""
    if front.place == NO_LEVEL:
        return front
    return _front(book, number, side, next_level(book, number, side, front.place))


@inlined
def _less(book: BookArrays, number: int, side: int, front: Front, lots: int) -> Any:
    """The front of a side when `lots` more have been served."""
    if lots < front.lots:
        return Front(front.place, front.price_ticks, front.lots - lots)
    return _behind(book, number, side, front)


@kernel
def find_clearing(book: BookArrays, number: int, reference_ticks: int) -> Any:
    """Greatest volume, least surplus, pressure, nearest to the reference: docs/protocol.md.

    Serving the best bid and the best ask until they no longer meet gives the volume, and that it
    can be had at every price between the last bid and the last ask served. What is left in front of
    them on either side decides between those prices.
    """
    bid = _front(book, number, Side.BUY, book.sides[2 * number + Side.BUY]["best"])
    ask = _front(book, number, Side.SELL, book.sides[2 * number + Side.SELL]["best"])
    quantity_lots = int64(0)
    lowest_ticks, highest_ticks = int64(0), int64(0)
    while bid.lots > 0 and ask.lots > 0 and bid.price_ticks >= ask.price_ticks:
        highest_ticks, lowest_ticks = bid.price_ticks, ask.price_ticks
        lots = min(bid.lots, ask.lots)
        quantity_lots += lots
        bid = _less(book, number, Side.BUY, bid, lots)
        ask = _less(book, number, Side.SELL, ask, lots)
    if quantity_lots == 0:
        return Clearing(int64(0), int64(0), int64(0))
    has_bid = bid.lots > 0 and bid.price_ticks >= lowest_ticks
    has_ask = ask.lots > 0 and ask.price_ticks <= highest_ticks
    if has_bid and bid.price_ticks == highest_ticks:
        return Clearing(highest_ticks, quantity_lots, bid.lots)
    if has_ask and ask.price_ticks == lowest_ticks:
        return Clearing(lowest_ticks, quantity_lots, -ask.lots)
    surplus_lots = int64(0)
    if has_bid and has_ask and ask.price_ticks == bid.price_ticks + 1:
        # Nothing lies between them, so something is left over at any price.
        if bid.lots < ask.lots:
            return Clearing(bid.price_ticks, quantity_lots, bid.lots)
        if ask.lots < bid.lots:
            return Clearing(ask.price_ticks, quantity_lots, -ask.lots)
        surplus_lots = bid.lots if reference_ticks <= bid.price_ticks else -ask.lots
        bid = _behind(book, number, Side.BUY, bid)
        ask = _behind(book, number, Side.SELL, ask)
    if bid.lots > 0:
        lowest_ticks = max(lowest_ticks, bid.price_ticks + 1)
    if ask.lots > 0:
        highest_ticks = min(highest_ticks, ask.price_ticks - 1)
    price_ticks = min(max(reference_ticks, lowest_ticks), highest_ticks)
    return Clearing(price_ticks, quantity_lots, surplus_lots)


@kernel
def uncross(arrays: EngineArrays, row: int, number: int) -> None:
    """Tell how the auction ends, and trade at its price."""
    instrument = arrays.instruments[number]
    reference_ticks = instrument["last_price_ticks"]
    if reference_ticks == 0:
        reference_ticks = instrument["reference_price_ticks"]
    clearing = find_clearing(arrays.book, number, reference_ticks)
    place = add_event(arrays, row, EventKind.AUCTION_ENDED, number)
    event = arrays.events.auctions[place]
    event["price_ticks"] = clearing.price_ticks
    event["quantity_lots"] = clearing.quantity_lots
    event["surplus_lots"] = clearing.surplus_lots
    if clearing.quantity_lots > 0:
        instrument["last_price_ticks"] = clearing.price_ticks
    left_lots = int64(clearing.quantity_lots)
    while left_lots > 0:
        left_lots -= _trade(arrays, row, number, clearing.price_ticks, left_lots)


@kernel
def _trade(arrays: EngineArrays, row: int, number: int, price_ticks: int, left_lots: int) -> Any:
    """One trade between the first buy and the first sell order; its quantity.

    Of an iceberg only what it shows: what it hides comes behind its queue, as ever.
    """
    book = arrays.book
    instrument = arrays.instruments[number]
    buy_slot = first_opposite(book, number, int64(Side.SELL))
    sell_slot = first_opposite(book, number, int64(Side.BUY))
    buy_is_maker = _is_earlier(book, buy_slot, sell_slot)
    maker_slot = buy_slot if buy_is_maker else sell_slot
    taker_slot = sell_slot if buy_is_maker else buy_slot
    maker, taker = book.orders[maker_slot], book.orders[taker_slot]
    lots = min(int64(maker["remaining_lots"]), int64(taker["remaining_lots"]), left_lots)
    trade_fen = price_ticks * instrument["tick_fen"] * lots
    maker_fee_fen = fee_of(trade_fen, instrument["maker_fee_ppm"])
    taker_fee_fen = fee_of(trade_fen, instrument["taker_fee_ppm"])
    arrays.balances.accounts[EXCHANGE_ACCOUNT]["available_fen"] += maker_fee_fen + taker_fee_fen
    shrink_in_queue(book, buy_slot, lots)
    shrink_in_queue(book, sell_slot, lots)
    maker_lots, taker_lots = open_lots(book, maker_slot), open_lots(book, taker_slot)
    settle_resting_apart(arrays, maker, instrument, lots, maker_lots, trade_fen, maker_fee_fen)
    settle_resting_apart(arrays, taker, instrument, lots, taker_lots, trade_fen, taker_fee_fen)
    auction = int64(TradeType.AUCTION)
    trade = Trade(price_ticks, lots, maker_lots, taker_lots, maker_fee_fen, taker_fee_fen, auction)
    tell_trade_apart(arrays, row, maker, taker, trade)
    for slot in (buy_slot, sell_slot):
        if book.orders[slot]["remaining_lots"] == 0:
            leave_filled_apart(arrays, row, slot, open_lots(book, slot))
    return lots


@inlined
def _is_earlier(book: BookArrays, slot: int, other_slot: int) -> Any:
    """Whether the first order was entered (again) before the other."""
    time_ns = book.details[slot]["entered_time_ns"]
    other_time_ns = book.details[other_slot]["entered_time_ns"]
    if time_ns != other_time_ns:
        return time_ns < other_time_ns
    return book.orders[slot]["order_id"] < book.orders[other_slot]["order_id"]


@kernel
def change_phase(arrays: EngineArrays, row: int, number: int, phase: int) -> None:
    """Go over to a phase, and end the auction if one lies behind and trading or the end ahead."""
    instrument = arrays.instruments[number]
    was_auction = instrument["phase"] == Phase.CALL_AUCTION
    instrument["phase"] = phase
    instrument["is_interrupted"] = 0
    may_trade = phase in (Phase.CONTINUOUS, Phase.CLOSED)
    # An auction may have been halted before it could end.
    if may_trade and (was_auction or _is_crossed(arrays.book, number)):
        uncross(arrays, row, number)


@inlined
def _is_crossed(book: BookArrays, number: int) -> Any:
    """Whether the best bid and the best ask meet."""
    best_bid = book.sides[2 * number + Side.BUY]["best"]
    if best_bid == NO_LEVEL:
        return False
    bid_ticks = ladder_price(book, number, int64(Side.BUY), best_bid)
    return best_is_reached(book, number, int64(Side.BUY), bid_ticks)


@kernel
def end_interruptions(arrays: EngineArrays, row: int) -> None:
    """END_INTERRUPTIONS; finds the next end on the way."""
    time_ns = arrays.commands.headers[row]["time_ns"]
    reply = add_admin_reply(arrays, row, EventKind.INTERRUPTIONS_ENDED)
    next_end_ns = int64(NEVER_NS)
    ended = int64(0)
    for number in range(1, arrays.progress[0]["instruments"] + 1):
        instrument = arrays.instruments[number]
        if instrument["is_interrupted"] == 0:
            continue
        if instrument["ends_at_ns"] > time_ns:
            next_end_ns = min(next_end_ns, instrument["ends_at_ns"])
            continue
        ended += 1
        instrument["ends_at_ns"] = 0
        place = add_event(arrays, row, EventKind.PHASE_CHANGED, number)
        arrays.events.auctions[place]["phase"] = Phase.CONTINUOUS
        change_phase(arrays, row, number, int64(Phase.CONTINUOUS))
    arrays.events.admin[reply]["quantity_lots"] = ended
    arrays.progress[0]["next_interruption_end_ns"] = next_end_ns
    for number in range(1, arrays.progress[0]["instruments"] + 1):
        trigger_stops(arrays, row, int64(number))


@kernel
def set_volatility(arrays: EngineArrays, row: int) -> None:
    """SET_VOLATILITY."""
    command = arrays.commands.admin[row]
    volatility_ppm, seconds = command["volatility_ppm"], command["interruption_seconds"]
    least_seconds = 1 if volatility_ppm != 0 else 0
    is_in_bounds = least_seconds <= seconds <= MAX_INTERRUPTION_SECONDS
    if not 0 <= volatility_ppm < ONE_MILLION or not is_in_bounds:
        refuse(arrays, row, Code.INVALID_REQUEST, 0)
        return
    if not is_defined(arrays, int64(command["instrument"])):
        refuse(arrays, row, Code.UNKNOWN_INSTRUMENT, 0)
        return
    instrument = arrays.instruments[command["instrument"]]
    place = add_reply(arrays, row, EventKind.VOLATILITY_SET, command["instrument"])
    event = arrays.events.auctions[place]
    instrument["volatility_ppm"] = event["volatility_ppm"] = volatility_ppm
    instrument["interruption_seconds"] = event["interruption_seconds"] = seconds
