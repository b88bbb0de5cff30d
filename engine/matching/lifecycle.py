"""How an order rests, leaves the book and is closed, with all that it holds."""

from __future__ import annotations

from typing import Any

from engine.codes import EventKind, OrderFlag, Side
from engine.compiled import inlined, int64
from engine.matching.arrays import EngineArrays
from engine.matching.events import add_event, describe_order
from engine.orderbook.queues import give_slot_back, join_queue, leave_queue, shrink_in_queue
from engine.risk import hold_of

_QUOTE = int(OrderFlag.QUOTE)


@inlined
def rest(arrays: EngineArrays, slot: int, remaining_lots: int) -> None:
    """Put what is left of an order in the book and hold what it needs."""
    book, balances = arrays.book, arrays.balances
    order = book.orders[slot]
    account = balances.accounts[order["account"]]
    position = balances.positions[order["position"]]
    order["remaining_lots"] = remaining_lots
    account["open_orders"] += 1
    # Which side comes next nobody can foresee, so both take the same way, with factors 0 and 1.
    sells = int64(order["side"])
    buys = 1 - sells
    instrument = arrays.instruments[order["instrument"]]
    hold_fen = buys * hold_of(instrument, int64(order["price_ticks"]), remaining_lots)
    order["held_fen"] = hold_fen
    account["available_fen"] -= hold_fen
    account["held_fen"] += hold_fen
    position["buying_lots"] += buys * remaining_lots
    position["available_lots"] -= sells * remaining_lots
    position["held_lots"] += sells * remaining_lots
    if order["allowance"] != 0:
        balances.allowances[order["allowance"]]["open_lots"] += remaining_lots
    if int64(order["flags"]) & _QUOTE:
        _note_quote(position, int64(order["side"]), order["order_id"])
    join_queue(book, slot)


@inlined
def leave_book(arrays: EngineArrays, slot: int) -> None:
    """Take an open order out of the book and give back all that it holds; its slot stays taken."""
    book, balances = arrays.book, arrays.balances
    order = book.orders[slot]
    account = balances.accounts[order["account"]]
    position = balances.positions[order["position"]]
    remaining_lots = int64(order["remaining_lots"])
    leave_queue(book, slot)
    account["open_orders"] -= 1
    sells = int64(order["side"])
    buys = 1 - sells
    account["available_fen"] += order["held_fen"]
    account["held_fen"] -= order["held_fen"]
    order["held_fen"] = 0
    position["buying_lots"] -= buys * remaining_lots
    position["available_lots"] += sells * remaining_lots
    position["held_lots"] -= sells * remaining_lots
    if order["allowance"] != 0:
        balances.allowances[order["allowance"]]["open_lots"] -= remaining_lots
    if int64(order["flags"]) & _QUOTE:
        _note_quote(position, int64(order["side"]), 0)


@inlined
def shrink(arrays: EngineArrays, slot: int, open_lots: int) -> None:
    """Make an open order smaller where it stands."""
    order = arrays.book.orders[slot]
    position = arrays.balances.positions[order["position"]]
    lots = order["remaining_lots"] - open_lots
    order["quantity_lots"] -= lots
    shrink_in_queue(arrays.book, slot, lots)
    if order["side"] == Side.SELL:
        position["held_lots"] -= lots
        position["available_lots"] += lots
        return
    instrument = arrays.instruments[order["instrument"]]
    account = arrays.balances.accounts[order["account"]]
    hold_fen = hold_of(instrument, int64(order["price_ticks"]), open_lots)
    account["available_fen"] += order["held_fen"] - hold_fen
    account["held_fen"] -= order["held_fen"] - hold_fen
    order["held_fen"] = hold_fen
    position["buying_lots"] -= lots
    if order["allowance"] != 0:
        arrays.balances.allowances[order["allowance"]]["open_lots"] -= lots


@inlined
def close_filled(arrays: EngineArrays, slot: int) -> None:
    """Take a resting order that was just filled, and holds nothing any more, out of the book."""
    book, balances = arrays.book, arrays.balances
    order = book.orders[slot]
    leave_queue(book, slot)
    balances.accounts[order["account"]]["open_orders"] -= 1
    if int64(order["flags"]) & _QUOTE:
        _note_quote(balances.positions[order["position"]], int64(order["side"]), 0)
    give_slot_back(book, slot)


@inlined
def _note_quote(position: Any, side: int, order_id: int) -> None:
    """The standing quote's order of one side; 0: none."""
    if side == Side.BUY:
        position["bid_quote_order_id"] = order_id
    else:
        position["ask_quote_order_id"] = order_id


@inlined
def add_cancelled(
    arrays: EngineArrays, row: int, slot: int, price_ticks: int, lots: int, reason: int
) -> None:
    """Tell that `lots` were taken off an order, which is closed by that."""
    instrument = arrays.book.orders[slot]["instrument"]
    place = add_event(arrays, row, EventKind.ORDER_CANCELLED, instrument)
    describe_order(arrays, place, slot, price_ticks, lots, reason)


@inlined
def cancel(arrays: EngineArrays, row: int, slot: int, reason: int) -> None:
    """Close an open order before it is filled, with its event."""
    order = arrays.book.orders[slot]
    price_ticks, lots = int64(order["price_ticks"]), int64(order["remaining_lots"])
    add_cancelled(arrays, row, slot, price_ticks, lots, reason)
    leave_book(arrays, slot)
    give_slot_back(arrays.book, slot)
