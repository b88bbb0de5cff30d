"""Each account's open orders, as a list in ascending order of order id.

An order joins when its slot is issued and leaves when the slot is given back: numbers only grow, so
a new order always belongs at the end. So an account's orders are found without looking at others'.
"""

from __future__ import annotations

from engine.compiled import inlined
from engine.orderbook.arrays import BookArrays
from engine.orderbook.links import append, remove


@inlined
def join_account(book: BookArrays, slot: int, account: int) -> None:
    """Put a new order at the end of its account's list."""
    append(book.account_links, book.account_ends[account], slot)


@inlined
def leave_account(book: BookArrays, slot: int, account: int) -> None:
    """Take an order, wherever it stands, out of its account's list."""
    remove(book.account_links, book.account_ends[account], slot)
