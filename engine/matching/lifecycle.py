"""How an order rests, leaves the book and is closed, with all that it holds."""

from __future__ import annotations

from typing import Any

from engine.codes import EventKind, OrderFlag, Reason, Resting, Side
from engine.compiled import inlined, int64, kernel
from engine.matching.arrays import EngineArrays
from engine.matching.events import add_event, describe_order
from engine.orderbook.queues import (
    give_slot_back,
    hide,
    join_off_book,
    join_queue,
    leave_place,
    leave_queue,
    open_lots,
    show_slice,
    shrink_in_queue,
)
from engine.risk import hold_of

_QUOTE = int(OrderFlag.QUOTE)
_ICEBERG = int(OrderFlag.ICEBERG)


@inlined
def rest(arrays: EngineArrays, slot: int, remaining_lots: int) -> None:
    """Put what is left of an order where it shall rest and hold what it needs."""
    book, balances = arrays.book, arrays.balances
    order = book.orders[slot]
    account = balances.accounts[order["account"]]
    position = balances.positions[order["position"]]
    order["remaining_lots"] = remaining_lots
    if int64(order["flags"]) & _ICEBERG:
        show_slice(book, slot, remaining_lots)
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
    if order["resting"] == Resting.OFF_BOOK:
        join_off_book(book, slot)
    else:
        join_queue(book, slot)


rest_apart = kernel(rest)


@inlined
def leave_book(arrays: EngineArrays, slot: int) -> None:
    """Take an open order from where it rests and give back all that it holds.

    Its slot stays taken, with all that is open in `remaining_lots`.
    """
    book, balances = arrays.book, arrays.balances
    order = book.orders[slot]
    account = balances.accounts[order["account"]]
    position = balances.positions[order["position"]]
    remaining_lots = open_lots(book, slot)
    leave_place(book, slot)
    if int64(order["flags"]) & _ICEBERG:
        hide(book, slot, int64(0))
        order["remaining_lots"] = remaining_lots
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


leave_book_apart = kernel(leave_book)


@kernel
def shrink(arrays: EngineArrays, slot: int, remaining_lots: int) -> None:
    """Make an open order smaller where it stands, what it hides first."""
    order = arrays.book.orders[slot]
    position = arrays.balances.positions[order["position"]]
    lots = open_lots(arrays.book, slot) - remaining_lots
    order["quantity_lots"] -= lots
    shown_lots = int64(order["remaining_lots"])
    if int64(order["flags"]) & _ICEBERG:
        hide(arrays.book, slot, max(remaining_lots - shown_lots, 0))
    shrink_in_queue(arrays.book, slot, max(shown_lots - remaining_lots, 0))
    if order["side"] == Side.SELL:
        position["held_lots"] -= lots
        position["available_lots"] += lots
        return
    instrument = arrays.instruments[order["instrument"]]
    account = arrays.balances.accounts[order["account"]]
    hold_fen = hold_of(instrument, int64(order["price_ticks"]), remaining_lots)
    account["available_fen"] += order["held_fen"] - hold_fen
    account["held_fen"] -= order["held_fen"] - hold_fen
    order["held_fen"] = hold_fen
    position["buying_lots"] -= lots
    if order["allowance"] != 0:
        arrays.balances.allowances[order["allowance"]]["open_lots"] -= lots


@inlined
def leave_filled(arrays: EngineArrays, row: int, slot: int, remaining_lots: int) -> None:
    """An order's place in its queue was filled: it is closed, or shows its next slice."""
    if remaining_lots == 0:
        _close_filled(arrays, slot)
    else:
        _refresh(arrays, row, slot, remaining_lots)


@inlined
def _close_filled(arrays: EngineArrays, slot: int) -> None:
    """Take a resting order that was just filled, and holds nothing any more, out of the book."""
    book, balances = arrays.book, arrays.balances
    order = book.orders[slot]
    leave_place(book, slot)
    balances.accounts[order["account"]]["open_orders"] -= 1
    if int64(order["flags"]) & _QUOTE:
        _note_quote(balances.positions[order["position"]], int64(order["side"]), 0)
    give_slot_back(book, slot)


@kernel
def _refresh(arrays: EngineArrays, row: int, slot: int, lots: int) -> None:
    """Show the next slice of an iceberg, whose last one was just filled, at the queue's end."""
    book = arrays.book
    order = book.orders[slot]
    leave_queue(book, slot)
    show_slice(book, slot, lots)
    join_queue(book, slot)
    place = add_event(arrays, row, EventKind.ORDER_REFRESHED, order["instrument"])
    price_ticks = int64(order["price_ticks"])
    describe_order(arrays, place, slot, price_ticks, lots, int64(Reason.NONE))


leave_filled_apart = kernel(leave_filled)


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
    price_ticks, lots = int64(order["price_ticks"]), open_lots(arrays.book, slot)
    add_cancelled(arrays, row, slot, price_ticks, lots, reason)
    leave_book(arrays, slot)
    give_slot_back(arrays.book, slot)


cancel_apart = kernel(cancel)
