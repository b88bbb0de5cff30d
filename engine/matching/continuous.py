"""Continuous matching: an incoming order against the opposite side, then what is left of it.

What the incoming order pays, earns and holds is booked once, after its trades: between them nobody
looks at its account, for an order never trades with its own account's. Where self-trade prevention
takes such an order off it gives back what that one held, which is only added and nowhere checked.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.accounts import lock_credits
from engine.codes import (
    EventKind,
    InstrumentFlag,
    OrderType,
    Phase,
    Reason,
    Resting,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradeType,
)
from engine.compiled import inlined, int64, kernel
from engine.matching.arrays import EngineArrays
from engine.matching.events import add_event, describe_order
from engine.matching.interruptions import interrupt, reach_of
from engine.matching.lifecycle import add_cancelled, cancel_apart, leave_filled, rest, shrink
from engine.orderbook.arrays import BookArrays
from engine.orderbook.ladder import ladder_index, ladder_price, next_level
from engine.orderbook.queues import fill_in_queue, give_slot_back, open_lots
from engine.risk import fee_of, hold_of
from engine.units import EXCHANGE_ACCOUNT

_RESALE_LOCK = int(InstrumentFlag.RESALE_LOCK)


class Trade(NamedTuple):
    """What one trade came to, beside what its two orders know."""

    price_ticks: int
    quantity_lots: int
    maker_remaining_lots: int
    taker_remaining_lots: int
    maker_fee_fen: int
    taker_fee_fen: int
    trade_type: int


@inlined
def best_is_reached(book: BookArrays, instrument: int, side: int, limit_ticks: int) -> Any:
    """Whether an order of `side` with this limit would meet the best opposite price."""
    best = book.sides[2 * instrument + 1 - side]["best"]
    return best <= ladder_index(book, instrument, 1 - side, limit_ticks)


@inlined
def first_opposite(book: BookArrays, instrument: int, side: int) -> Any:
    """Slot of the order that an order of `side` meets first; the opposite side is not empty."""
    opposite = book.sides[2 * instrument + 1 - side]
    return int64(book.levels[opposite["first_level"] + opposite["best"]]["head"])


@kernel
def meets_own(
    book: BookArrays, instrument: int, side: int, account: int, limit_ticks: int, but_slot: int
) -> Any:
    """Whether an order of `side` reaches any of its own account's, but the one in `but_slot`."""
    reach = ladder_index(book, instrument, 1 - side, limit_ticks)
    slot = int64(book.account_ends[account]["head"])
    while slot != 0:
        order = book.orders[slot]
        is_opposite = order["instrument"] == instrument and order["side"] == 1 - side
        if is_opposite and order["resting"] == Resting.BOOK and slot != but_slot:
            index = ladder_index(book, instrument, 1 - side, int64(order["price_ticks"]))
            if index <= reach:
                return True
        slot = int64(book.account_links[slot]["next"])
    return False


@kernel
def could_trade(book: BookArrays, slot: int, reach: int, wanted_lots: int) -> Any:
    """Whether an incoming order would trade at least `wanted_lots` at once, up to that index."""
    order = book.orders[slot]
    instrument = int64(order["instrument"])
    opposite_side = 1 - int64(order["side"])
    opposite = book.sides[2 * instrument + opposite_side]
    mode = order["self_trade_prevention"]
    remaining_lots = int64(order["remaining_lots"])
    missing_lots = int64(wanted_lots)
    index = opposite["best"]
    while index <= reach:
        # What icebergs hide comes behind the whole queue.
        hidden_lots = int64(0)
        resting_slot = int64(book.levels[opposite["first_level"] + index]["head"])
        while resting_slot != 0:
            resting = book.orders[resting_slot]
            whole_lots = open_lots(book, resting_slot)
            if resting["account"] != order["account"]:
                lots = min(remaining_lots, int64(resting["remaining_lots"]))
                hidden_lots += whole_lots - resting["remaining_lots"]
                missing_lots -= lots
                remaining_lots -= lots
            elif mode == SelfTradePrevention.DECREMENT:
                remaining_lots -= min(remaining_lots, whole_lots)
            elif mode != SelfTradePrevention.CANCEL_OLDEST:
                return False
            if missing_lots <= 0:
                return True
            if remaining_lots == 0:
                return False
            resting_slot = int64(resting["next"])
        lots = min(remaining_lots, hidden_lots)
        missing_lots -= lots
        remaining_lots -= lots
        if missing_lots <= 0:
            return True
        if remaining_lots == 0:
            return False
        index = next_level(book, instrument, opposite_side, index)
    return False


@inlined
def enter(arrays: EngineArrays, row: int, slot: int, limit_ticks: int, minimum_lots: int) -> None:
    """Match an accepted order that is in no queue, then rest, cancel or close what is left.

    Its slot holds the whole order and `remaining_lots` what to trade; all of it is cancelled if
    less than `minimum_lots` could be. In a call auction it only rests. Nothing can fail here.
    """
    order = arrays.book.orders[slot]
    instrument = arrays.instruments[order["instrument"]]
    remaining_lots, reason = int64(order["remaining_lots"]), int64(Reason.NONE)
    if instrument["phase"] != Phase.CALL_AUCTION:
        remaining_lots, reason = _trade(arrays, row, slot, limit_ticks, minimum_lots)
    if instrument["phase"] == Phase.CALL_AUCTION and reason == Reason.NONE:
        # What could be refused has been; the rest of an order that was interrupted could not.
        number, side = int64(order["instrument"]), int64(order["side"])
        if meets_own(arrays.book, number, side, int64(order["account"]), limit_ticks, int64(0)):
            reason = int64(Reason.SELF_TRADE_PREVENTION)
    if remaining_lots == 0:
        give_slot_back(arrays.book, slot)
    elif reason == Reason.NONE:
        rest(arrays, slot, remaining_lots)
    else:
        add_cancelled(arrays, row, slot, limit_ticks, remaining_lots, reason)
        give_slot_back(arrays.book, slot)


@inlined
def _trade(arrays: EngineArrays, row: int, slot: int, limit_ticks: int, minimum_lots: int) -> Any:
    """Match an incoming order as far as it goes; what remains, and why that may not rest."""
    order = arrays.book.orders[slot]
    number, side = int64(order["instrument"]), int64(order["side"])
    remaining_lots = int64(order["remaining_lots"])
    is_fill_or_kill = order["time_in_force"] == TimeInForce.FOK
    wanted_lots = remaining_lots if is_fill_or_kill else int64(minimum_lots)
    reach = reach_of(arrays, number, side, limit_ticks)
    if wanted_lots > 0 and not could_trade(arrays.book, slot, reach, wanted_lots):
        return remaining_lots, int64(
            Reason.FILL_OR_KILL if is_fill_or_kill else Reason.MINIMUM_QUANTITY
        )
    remaining_lots, is_stopped = _match(arrays, row, slot, limit_ticks, reach)
    reason = int64(Reason.NONE)
    if is_stopped:
        reason = int64(Reason.SELF_TRADE_PREVENTION)
    elif order["order_type"] == OrderType.MARKET:
        reason = int64(Reason.MARKET_REMAINDER)
    elif order["time_in_force"] == TimeInForce.IOC:
        reason = int64(Reason.IMMEDIATE_OR_CANCEL)
    is_open = remaining_lots > 0 and not is_stopped
    # The limit was not what ended it if it still reaches the best price.
    if is_open and best_is_reached(arrays.book, number, side, limit_ticks):
        interrupt(arrays, row, number, side)
        if reason != Reason.NONE:
            reason = int64(Reason.VOLATILITY_INTERRUPTION)
    return remaining_lots, reason


@inlined
def _match(arrays: EngineArrays, row: int, slot: int, limit_ticks: int, reach: int) -> Any:
    """Trade up to the opposite ladder's index `reach`.

    What remains, and whether an order of the same account stopped it.
    """
    book = arrays.book
    order = book.orders[slot]
    instrument_number = int64(order["instrument"])
    instrument = arrays.instruments[instrument_number]
    side = int64(order["side"])
    opposite_side = 1 - side
    opposite = book.sides[2 * instrument_number + opposite_side]
    quantity_lots = int64(order["remaining_lots"])
    remaining_lots = quantity_lots
    notional_fen = int64(0)
    taker_fees_fen = int64(0)
    maker_fees_fen = int64(0)
    is_stopped = False
    while remaining_lots > 0 and opposite["best"] <= reach:
        index = opposite["best"]
        price_ticks = ladder_price(book, instrument_number, opposite_side, index)
        level = book.levels[opposite["first_level"] + index]
        maker_slot = int64(level["head"])
        maker = book.orders[maker_slot]
        if maker["account"] == order["account"]:
            reduced_lots = _prevent_self_trade(
                arrays, row, slot, maker_slot, limit_ticks, remaining_lots
            )
            is_stopped = reduced_lots < 0
            if is_stopped:
                break
            quantity_lots -= reduced_lots
            remaining_lots -= reduced_lots
            continue
        traded_lots = min(remaining_lots, int64(maker["remaining_lots"]))
        remaining_lots -= traded_lots
        trade_fen = price_ticks * instrument["tick_fen"] * traded_lots
        maker_fee_fen = fee_of(trade_fen, instrument["maker_fee_ppm"])
        taker_fee_fen = fee_of(trade_fen, instrument["taker_fee_ppm"])
        notional_fen += trade_fen
        maker_fees_fen += maker_fee_fen
        taker_fees_fen += taker_fee_fen
        maker_lots = fill_in_queue(book, maker_slot, level, traded_lots)
        instrument["last_price_ticks"] = price_ticks
        trade = Trade(
            price_ticks,
            traded_lots,
            maker_lots,
            remaining_lots,
            maker_fee_fen,
            taker_fee_fen,
            int64(TradeType.CONTINUOUS),
        )
        settle_resting(arrays, maker, instrument, traded_lots, maker_lots, trade_fen, maker_fee_fen)
        tell_trade(arrays, row, maker, order, trade)
        if maker["remaining_lots"] == 0:
            leave_filled(arrays, row, maker_slot, maker_lots)
    traded_lots = quantity_lots - remaining_lots
    if traded_lots > 0:
        exchange = arrays.balances.accounts[EXCHANGE_ACCOUNT]
        exchange["available_fen"] += maker_fees_fen + taker_fees_fen
        settle_taker(arrays, order, instrument, traded_lots, notional_fen, taker_fees_fen)
    return remaining_lots, is_stopped


@kernel
def _prevent_self_trade(
    arrays: EngineArrays,
    row: int,
    slot: int,
    resting_slot: int,
    limit_ticks: int,
    remaining_lots: int,
) -> Any:
    """Do as the mode of the incoming order in `slot` says with it and its account's resting one.

    By how much the incoming order, which has `remaining_lots` open, is reduced and goes on; less
    than 0: it is to be cancelled.
    """
    order = arrays.book.orders[slot]
    resting = arrays.book.orders[resting_slot]
    own_lots = open_lots(arrays.book, resting_slot)
    mode = order["self_trade_prevention"]
    reason = int64(Reason.SELF_TRADE_PREVENTION)
    if mode == SelfTradePrevention.CANCEL_NEWEST:
        return int64(-1)
    if mode == SelfTradePrevention.DECREMENT and own_lots > remaining_lots:
        own_lots -= remaining_lots
        shrink(arrays, resting_slot, own_lots)
        place = add_event(arrays, row, EventKind.ORDER_AMENDED, resting["instrument"])
        price_ticks = int64(resting["price_ticks"])
        describe_order(arrays, place, resting_slot, price_ticks, own_lots, reason)
        return int64(-1)
    cancel_apart(arrays, row, resting_slot, reason)
    if mode == SelfTradePrevention.CANCEL_OLDEST:
        return int64(0)
    if mode == SelfTradePrevention.CANCEL_BOTH or own_lots == remaining_lots:
        return int64(-1)
    order["quantity_lots"] -= own_lots
    place = add_event(arrays, row, EventKind.ORDER_AMENDED, order["instrument"])
    describe_order(arrays, place, slot, limit_ticks, remaining_lots - own_lots, reason)
    return own_lots


@inlined
def tell_trade(arrays: EngineArrays, row: int, maker: Any, taker: Any, trade: Trade) -> None:
    """The event of one trade."""
    place = add_event(arrays, row, EventKind.TRADE, taker["instrument"])
    event = arrays.events.trades[place]
    event["trade_id"] = arrays.counters[0]["next_trade_id"]
    arrays.counters[0]["next_trade_id"] += 1
    event["maker_order_id"] = maker["order_id"]
    event["taker_order_id"] = taker["order_id"]
    event["price_ticks"] = trade.price_ticks
    event["quantity_lots"] = trade.quantity_lots
    event["maker_remaining_lots"] = trade.maker_remaining_lots
    event["taker_remaining_lots"] = trade.taker_remaining_lots
    event["maker_fee_fen"] = trade.maker_fee_fen
    event["taker_fee_fen"] = trade.taker_fee_fen
    event["maker_account"] = maker["account"]
    event["taker_account"] = taker["account"]
    event["taker_side"] = taker["side"]
    event["maker_purpose"] = maker["purpose"]
    event["taker_purpose"] = taker["purpose"]
    event["trade_type"] = trade.trade_type


@inlined
def settle_resting(
    arrays: EngineArrays,
    maker: Any,
    instrument: Any,
    traded_lots: int,
    remaining_lots: int,
    notional_fen: int,
    fee_fen: int,
) -> None:
    """Book one trade for a resting order, which has `remaining_lots` open behind it."""
    account = arrays.balances.accounts[maker["account"]]
    position = arrays.balances.positions[maker["position"]]
    if maker["side"] == Side.SELL:
        position["held_lots"] -= traded_lots
        account["available_fen"] += notional_fen - fee_fen
        return
    hold_fen = hold_of(instrument, int64(maker["price_ticks"]), remaining_lots)
    released_fen = maker["held_fen"] - hold_fen
    maker["held_fen"] = hold_fen
    account["held_fen"] -= released_fen
    account["available_fen"] += released_fen - notional_fen - fee_fen
    position["buying_lots"] -= traded_lots
    _deliver(arrays, int64(maker["position"]), instrument, traded_lots)
    if maker["allowance"] != 0:
        allowance = arrays.balances.allowances[maker["allowance"]]
        allowance["open_lots"] -= traded_lots
        allowance["held_lots"] += traded_lots


@inlined
def settle_taker(
    arrays: EngineArrays,
    order: Any,
    instrument: Any,
    traded_lots: int,
    notional_fen: int,
    fees_fen: int,
) -> None:
    """Book all trades of the incoming order, which held nothing for them."""
    account = arrays.balances.accounts[order["account"]]
    position = arrays.balances.positions[order["position"]]
    if order["side"] == Side.SELL:
        position["available_lots"] -= traded_lots
        account["available_fen"] += notional_fen - fees_fen
        return
    account["available_fen"] -= notional_fen + fees_fen
    _deliver(arrays, int64(order["position"]), instrument, traded_lots)
    if order["allowance"] != 0:
        arrays.balances.allowances[order["allowance"]]["held_lots"] += traded_lots


@inlined
def _deliver(arrays: EngineArrays, position_row: int, instrument: Any, traded_lots: int) -> None:
    """Credits that were bought: to be sold at once, or from the next day on."""
    if instrument["flags"] & _RESALE_LOCK:
        lock_credits(arrays.balances, position_row, traded_lots)
    else:
        arrays.balances.positions[position_row]["available_lots"] += traded_lots


enter_apart = kernel(enter)
settle_resting_apart = kernel(settle_resting)
tell_trade_apart = kernel(tell_trade)
