"""Each account's open orders, as a list in ascending order of order id.

An order joins when its slot is issued and leaves when the slot is given back: numbers only grow, so
a new order always belongs at the end. So an account's orders are found without looking at others'.
"""

from __future__ import annotations

from engine.compiled import inlined, int64
from engine.orderbook.arrays import BookArrays


@inlined
def join_account(book: BookArrays, slot: int, account: int) -> None:
    """Put a new order at the end of its account's list."""
    ends = book.account_ends[account]
    link = book.account_links[slot]
    last = int64(ends["last"])
    link["previous"] = last
    link["next"] = 0
    if last == 0:
        ends["first"] = slot
    else:
        book.account_links[last]["next"] = slot
    ends["last"] = slot


@inlined
def leave_account(book: BookArrays, slot: int, account: int) -> None:
    """Take an order, wherever it stands, out of its account's list."""
    ends = book.account_ends[account]
    link = book.account_links[slot]
    following = int64(link["next"])
    previous = int64(link["previous"])
    # As in `leave_queue`: where there is no neighbour, slot 0 is written to, which is never read.
    book.account_links[previous]["next"] = following
    book.account_links[following]["previous"] = previous
    ends["first"] = following if previous == 0 else int64(ends["first"])
    ends["last"] = previous if following == 0 else int64(ends["last"])
