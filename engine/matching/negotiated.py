"""Trades outside price-time priority: orders off the book, and shown orders taken by their ids.

A block trade is two BLOCK orders and MATCH_ORDERS; a one-way auction is its lot and its bids, BID
orders all, and a MATCH_ORDERS for each bid that wins. Who may match them, and when, is decided
around the engine: here they are prefunded, checked, and traded with each other as one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.codes import (
    Code,
    EventKind,
    InstrumentFlag,
    OrderType,
    Phase,
    Reason,
    Resting,
    Side,
    TradeType,
)
from engine.compiled import inlined, int64, kernel
from engine.matching.arrays import EngineArrays
from engine.matching.continuous import Trade, settle_resting_apart, settle_taker, tell_trade_apart
from engine.matching.events import add_admin_reply, add_reply, refuse
from engine.matching.identity import (
    find_open_order,
    is_defined,
    look_up_client_id_apart,
    register_client_id,
)
from engine.matching.interruptions import is_in_band
from engine.matching.lifecycle import cancel_apart, leave_filled_apart
from engine.orderbook.queues import give_slot_back, open_lots, shrink_in_queue
from engine.risk import fee_of, price_limits
from engine.units import (
    EXCHANGE_ACCOUNT,
    MAX_NOTIONAL_FEN,
    MAX_PRICE_TICKS,
    MAX_QUANTITY_LOTS,
    ONE_MILLION,
)

_LISTED_SELECTION = int(InstrumentFlag.LISTED_SELECTION)


class Pair(NamedTuple):
    """Two orders that shall trade with each other, by their slots."""

    maker_slot: int
    taker_slot: int


# --- Entering ---


@kernel
def check_off_book(
    arrays: EngineArrays, number: int, order_type: int, price_ticks: int, quantity_lots: int
) -> Any:
    """Checks 6 to 8 of NEW_ORDER for an order off the book."""
    instrument = arrays.instruments[number]
    if instrument["phase"] == Phase.HALTED:
        return int64(Code.MARKET_HALTED)
    if order_type == OrderType.BLOCK:
        if instrument["is_block_window_open"] == 0:
            return int64(Code.BLOCK_WINDOW_CLOSED)
        if quantity_lots < instrument["minimum_block_lots"]:
            return int64(Code.BELOW_MINIMUM_BLOCK)
    # Divided instead of multiplied, because the product might not fit 64 bits.
    if quantity_lots > MAX_NOTIONAL_FEN // (price_ticks * instrument["tick_fen"]):
        return int64(Code.QUANTITY_TOO_LARGE)
    if not _allows_price(instrument, order_type, price_ticks):
        return int64(Code.PRICE_OUTSIDE_LIMITS)
    return int64(Code.OK)


@inlined
def _allows_price(instrument: Any, order_type: int, price_ticks: int) -> Any:
    """Whether an order off the book may have, and trade at, this price now."""
    if order_type != OrderType.BLOCK:
        return True
    lower_ticks, upper_ticks = price_limits(
        instrument["reference_price_ticks"], int64(instrument["block_limit_ppm"])
    )
    return lower_ticks <= price_ticks <= upper_ticks


@kernel
def check_listed(
    arrays: EngineArrays,
    order_id: int,
    number: int,
    side: int,
    account: int,
    limit_ticks: int,
    quantity_lots: int,
) -> Any:
    """Checks 9 and 10 of TAKE_ORDER: whether the order named may be taken like this."""
    if not int64(arrays.instruments[number]["flags"]) & _LISTED_SELECTION:
        return int64(Code.INVALID_REQUEST)
    code, slot = find_open_order(arrays, order_id)
    if code != Code.OK:
        return code
    maker = arrays.book.orders[slot]
    # What is not shown cannot be named: it must not be told from what never was.
    is_shown = maker["resting"] == Resting.BOOK
    if not is_shown or maker["instrument"] != number or maker["side"] == side:
        return int64(Code.ORDER_NOT_FOUND)
    if maker["account"] == account:
        return int64(Code.WOULD_SELF_TRADE)
    ahead_ticks = int64(maker["price_ticks"]) - limit_ticks
    if side == Side.SELL:
        ahead_ticks = -ahead_ticks
    if ahead_ticks > 0 or quantity_lots > maker["remaining_lots"]:
        return int64(Code.CONFLICT)
    if not is_in_band(arrays, number, int64(maker["price_ticks"])):
        return int64(Code.PRICE_OUTSIDE_LIMITS)
    return int64(Code.OK)


# --- Trading ---


@kernel
def take(arrays: EngineArrays, row: int, slot: int) -> None:
    """Trade an accepted order with the shown one that its command names. Nothing can fail here."""
    book = arrays.book
    taker = book.orders[slot]
    instrument = arrays.instruments[taker["instrument"]]
    _, maker_slot = find_open_order(arrays, arrays.commands.orders[row]["order_id"])
    maker = book.orders[maker_slot]
    lots = int64(taker["remaining_lots"])
    price_ticks = int64(maker["price_ticks"])
    notional_fen = price_ticks * instrument["tick_fen"] * lots
    shrink_in_queue(book, maker_slot, lots)
    instrument["last_price_ticks"] = price_ticks
    trade = Trade(
        price_ticks,
        lots,
        open_lots(book, maker_slot),
        int64(0),
        fee_of(notional_fen, instrument["maker_fee_ppm"]),
        fee_of(notional_fen, instrument["taker_fee_ppm"]),
        int64(TradeType.LISTED),
    )
    maker_lots, fee_fen = trade.maker_remaining_lots, trade.maker_fee_fen
    settle_resting_apart(arrays, maker, instrument, lots, maker_lots, notional_fen, fee_fen)
    settle_taker(arrays, taker, instrument, lots, notional_fen, trade.taker_fee_fen)
    _tell(arrays, row, Pair(maker_slot, slot), trade)
    if maker["remaining_lots"] == 0:
        leave_filled_apart(arrays, row, maker_slot, trade.maker_remaining_lots)
    give_slot_back(book, slot)


@kernel
def match_orders(arrays: EngineArrays, row: int) -> None:
    """MATCH_ORDERS."""
    command = arrays.commands.matches[row]
    entry, first_id, pair = int64(-1), int64(0), Pair(int64(0), int64(0))
    code = int64(Code.OK)
    is_in_bounds = (
        1 <= command["price_ticks"] <= MAX_PRICE_TICKS
        and 1 <= command["quantity_lots"] <= MAX_QUANTITY_LOTS
    )
    if not is_in_bounds or command["account"] != 0:
        code = int64(Code.INVALID_REQUEST)
    elif not is_defined(arrays, int64(command["instrument"])):
        code = int64(Code.UNKNOWN_INSTRUMENT)
    else:
        entry, first_id = look_up_client_id_apart(arrays, row)
        if first_id != 0:
            code = int64(Code.DUPLICATE_CLIENT_ORDER_ID)
        else:
            code, pair = _check_pair(arrays, row)
    if code != Code.OK:
        refuse(arrays, row, code, first_id)
        return

    # Nothing can fail from here on.
    register_client_id(arrays, row, entry, -command["sequence"])
    place = add_admin_reply(arrays, row, EventKind.ORDERS_MATCHED)
    reply = arrays.events.admin[place]
    is_maker_buying = arrays.book.orders[pair.maker_slot]["side"] == Side.BUY
    maker_id, taker_id = command["maker_order_id"], command["taker_order_id"]
    reply["bid_order_id"] = maker_id if is_maker_buying else taker_id
    reply["ask_order_id"] = taker_id if is_maker_buying else maker_id
    reply["quantity_lots"] = command["quantity_lots"]
    _match_pair(arrays, row, pair)


@inlined
def _check_pair(arrays: EngineArrays, row: int) -> Any:
    """Checks 4 to 9 of MATCH_ORDERS, and the two orders."""
    command = arrays.commands.matches[row]
    pair = Pair(int64(0), int64(0))
    code, maker_slot = find_open_order(arrays, command["maker_order_id"])
    if code != Code.OK:
        return code, pair
    code, taker_slot = find_open_order(arrays, command["taker_order_id"])
    if code != Code.OK:
        return code, pair
    pair = Pair(maker_slot, taker_slot)
    maker, taker = arrays.book.orders[maker_slot], arrays.book.orders[taker_slot]
    number = int64(command["instrument"])
    is_pair = (
        maker["resting"] == Resting.OFF_BOOK
        and maker["order_type"] == taker["order_type"]
        and maker["instrument"] == number
        and taker["instrument"] == number
        and maker["side"] != taker["side"]
    )
    if not is_pair:
        return int64(Code.INVALID_REQUEST), pair
    if maker["account"] == taker["account"]:
        return int64(Code.WOULD_SELF_TRADE), pair
    instrument = arrays.instruments[number]
    if instrument["phase"] == Phase.HALTED:
        return int64(Code.MARKET_HALTED), pair
    most_lots = min(int64(maker["remaining_lots"]), int64(taker["remaining_lots"]))
    if command["quantity_lots"] > most_lots:
        return int64(Code.QUANTITY_TOO_LARGE), pair
    price_ticks = command["price_ticks"]
    one_ticks, other_ticks = int64(maker["price_ticks"]), int64(taker["price_ticks"])
    highest_ticks = one_ticks if maker["side"] == Side.BUY else other_ticks
    lowest_ticks = other_ticks if maker["side"] == Side.BUY else one_ticks
    is_within = lowest_ticks <= price_ticks <= highest_ticks
    if not is_within or not _allows_price(instrument, int64(maker["order_type"]), price_ticks):
        return int64(Code.PRICE_OUTSIDE_LIMITS), pair
    return int64(Code.OK), pair


@inlined
def _match_pair(arrays: EngineArrays, row: int, pair: Pair) -> None:
    """Trade two orders off the book, both of which hold what they need."""
    command = arrays.commands.matches[row]
    maker, taker = arrays.book.orders[pair.maker_slot], arrays.book.orders[pair.taker_slot]
    instrument = arrays.instruments[maker["instrument"]]
    price_ticks, lots = command["price_ticks"], command["quantity_lots"]
    is_block = maker["order_type"] == OrderType.BLOCK
    trade_type = int64(TradeType.BLOCK if is_block else TradeType.ONE_WAY)
    notional_fen = price_ticks * instrument["tick_fen"] * lots
    maker_fee_fen = fee_of(notional_fen, instrument["maker_fee_ppm"])
    taker_fee_fen = fee_of(notional_fen, instrument["taker_fee_ppm"])
    maker["remaining_lots"] -= lots
    taker["remaining_lots"] -= lots
    maker_lots, taker_lots = int64(maker["remaining_lots"]), int64(taker["remaining_lots"])
    trade = Trade(
        price_ticks, lots, maker_lots, taker_lots, maker_fee_fen, taker_fee_fen, trade_type
    )
    settle_resting_apart(arrays, maker, instrument, lots, maker_lots, notional_fen, maker_fee_fen)
    settle_resting_apart(arrays, taker, instrument, lots, taker_lots, notional_fen, taker_fee_fen)
    _tell(arrays, row, pair, trade)
    if maker_lots == 0:
        leave_filled_apart(arrays, row, pair.maker_slot, maker_lots)
    if taker_lots == 0:
        leave_filled_apart(arrays, row, pair.taker_slot, taker_lots)


@inlined
def _tell(arrays: EngineArrays, row: int, pair: Pair, trade: Trade) -> None:
    """Pay the fees of a trade, and tell of it."""
    exchange = arrays.balances.accounts[EXCHANGE_ACCOUNT]
    exchange["available_fen"] += trade.maker_fee_fen + trade.taker_fee_fen
    maker, taker = arrays.book.orders[pair.maker_slot], arrays.book.orders[pair.taker_slot]
    tell_trade_apart(arrays, row, maker, taker, trade)


# --- Rules ---


@kernel
def set_block_rules(arrays: EngineArrays, row: int) -> None:
    """SET_BLOCK_RULES; what is open when the window closes leaves."""
    command = arrays.commands.admin[row]
    number = int64(command["instrument"])
    minimum_lots, limit_ppm = command["quantity_lots"], command["block_limit_ppm"]
    is_well_formed = (
        1 <= minimum_lots <= MAX_QUANTITY_LOTS
        and 0 <= limit_ppm < ONE_MILLION
        and command["is_open"] <= 1
    )
    if not is_well_formed:
        refuse(arrays, row, Code.INVALID_REQUEST, 0)
        return
    if not is_defined(arrays, number):
        refuse(arrays, row, Code.UNKNOWN_INSTRUMENT, 0)
        return

    # Nothing can fail from here on.
    instrument = arrays.instruments[number]
    instrument["minimum_block_lots"] = minimum_lots
    instrument["block_limit_ppm"] = limit_ppm
    instrument["is_block_window_open"] = command["is_open"]
    place = add_reply(arrays, row, EventKind.BLOCK_RULES_SET, number)
    event = arrays.events.block_rules[place]
    event["minimum_block_lots"] = minimum_lots
    event["block_limit_ppm"] = limit_ppm
    event["is_open"] = command["is_open"]
    slot = int64(arrays.book.off_book[number]["head"])
    while slot != 0 and command["is_open"] == 0:
        order = arrays.book.orders[slot]
        following = int64(order["next"])
        if order["order_type"] == OrderType.BLOCK:
            cancel_apart(arrays, row, slot, int64(Reason.BLOCK_WINDOW_CLOSED))
        slot = following
