"""The gtd orders in a binary heap: the one that expires first lies on top, at place 1.

Among orders that expire together the one with the lower order id comes first. `expiries` knows
where each order lies, so one that is closed early is taken out without a search.
"""

from __future__ import annotations

from typing import Any

from engine.compiled import inlined, int64, kernel
from engine.orderbook.arrays import BookArrays


@kernel
def await_expiry(book: BookArrays, slot: int, expires_at_ns: int) -> None:
    """Put a new order into the heap."""
    pool = book.pool[0]
    pool["expiring"] += 1
    book.expiries[slot]["expires_at_ns"] = expires_at_ns
    _rise(book, slot, int64(pool["expiring"]))


@kernel
def forget_expiry(book: BookArrays, slot: int) -> None:
    """Take an order, wherever it lies, out of the heap; the last one fills its place."""
    pool = book.pool[0]
    place = int64(book.expiries[slot]["place"])
    last = int64(book.expiry_heap[pool["expiring"]])
    book.expiry_heap[pool["expiring"]] = 0
    pool["expiring"] -= 1
    if last != slot:
        _rise(book, last, place)
        _sink(book, last, int64(book.expiries[last]["place"]))


@inlined
def _is_sooner(book: BookArrays, slot: int, other: int) -> Any:
    expires_at_ns = book.expiries[slot]["expires_at_ns"]
    other_ns = book.expiries[other]["expires_at_ns"]
    if expires_at_ns != other_ns:
        return expires_at_ns < other_ns
    return book.orders[slot]["order_id"] < book.orders[other]["order_id"]


@inlined
def _put(book: BookArrays, slot: int, place: int) -> None:
    book.expiry_heap[place] = slot
    book.expiries[slot]["place"] = place


@kernel
def _rise(book: BookArrays, slot: int, place: int) -> None:
    """Put an order at `place`, or above it while it is sooner than what lies there."""
    while place > 1:
        parent = int64(book.expiry_heap[place // 2])
        if not _is_sooner(book, slot, parent):
            break
        _put(book, parent, place)
        place //= 2
    _put(book, slot, place)


@kernel
def _sink(book: BookArrays, slot: int, place: int) -> None:
    """Put an order at `place`, or below it while something below is sooner."""
    count = int64(book.pool[0]["expiring"])
    while 2 * place <= count:
        child = 2 * place
        if child < count and _is_sooner(
            book, int64(book.expiry_heap[child + 1]), int64(book.expiry_heap[child])
        ):
            child += 1
        below = int64(book.expiry_heap[child])
        if not _is_sooner(book, below, slot):
            break
        _put(book, below, place)
        place = child
    _put(book, slot, place)
