"""The book's memory: records, arrays and their sizes. Slot, row and level 0 mean "none" in links.

All arrays are reserved at their full size and committed by the operating system page by page as
they are touched, so nothing grows while the market runs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.state import EngineLimits
from engine.units import MAX_LADDER_LEVELS

CACHE_LINE_BYTES = 64
PAGE_BYTES = 4_096
HUGE_PAGE_BYTES = 1 << 21
WORD_BITS = 64
# A ladder has at most 2^18 levels: 4,096 words of leaves, 64 words above them, one word on top.
MIDDLE_WORDS = MAX_LADDER_LEVELS // (WORD_BITS * WORD_BITS)
# Better than no level, so that "best" can be compared without asking first whether there is one.
NO_LEVEL = 1 << 40

# What matching touches of an order: one cache line.
ORDER = np.dtype(
    [
        ("order_id", "<i8"),  # 0: the slot is free
        ("quantity_lots", "<i8"),  # filled + remaining
        ("held_fen", "<i8"),  # of a buy order
        ("price_ticks", "<i4"),
        ("remaining_lots", "<i4"),  # of an iceberg in the book only what it shows
        ("next", "<i4"),  # slots of the neighbours in the queue
        ("previous", "<i4"),
        ("account", "<i4"),
        ("instrument", "<i4"),
        ("position", "<i4"),  # row of (account, instrument)
        ("allowance", "<i4"),  # row of (account, scheme); 0: not for compliance
        ("side", "u1"),
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("flags", "u1"),
        ("self_trade_prevention", "u1"),
        ("purpose", "u1"),
        ("gateway", "u1"),
        ("resting", "u1"),  # where it rests, or will if anything is left of it
    ],
    align=True,
)
assert ORDER.itemsize == CACHE_LINE_BYTES

# What only entering, cancelling and reporting touch.
ORDER_DETAILS = np.dtype(
    [
        ("client_id_high", "<i8"),
        ("client_id_low", "<i8"),
        ("entered_time_ns", "<i8"),
        ("session", "<i4"),
        ("scheme", "<i4"),
    ],
    align=True,
)
assert ORDER_DETAILS.itemsize == 32

# Neighbours in the list of the account's open orders, by slot.
ACCOUNT_LINK = np.dtype([("next", "<i4"), ("previous", "<i4")], align=True)
# Where such a list begins and ends, by account; 0: the account has no open order.
ACCOUNT_ENDS = np.dtype([("head", "<i4"), ("tail", "<i4")], align=True)

# Written and read for GTD orders only.
EXPIRY = np.dtype(
    [
        ("expires_at_ns", "<i8"),
        ("place", "<i4"),  # in the heap
        ("reserved", "<i4"),
    ],
    align=True,
)

# What few orders have; written and read only for those with the flag STOP or ICEBERG.
ORDER_CONDITIONS = np.dtype(
    [
        ("stop_price_ticks", "<i4"),
        ("display_quantity_lots", "<i4"),
        ("hidden_lots", "<i4"),  # open, but not shown; 0 outside the book
        ("reserved", "<i4"),
    ],
    align=True,
)
assert ORDER_CONDITIONS.itemsize == 16

# One price of one side: a queue of orders.
LEVEL = np.dtype(
    [
        ("quantity_lots", "<i8"),
        ("head", "<i4"),
        ("tail", "<i4"),
        ("orders", "<i4"),
        ("reserved", "<i4"),
    ],
    align=True,
)
assert LEVEL.itemsize == 24

# One side of one instrument's book, at row 2 * instrument + side. An instrument's stop orders are a
# book of their own, whose number `ladder.stop_book` gives.
BOOK_SIDE = np.dtype(
    [
        ("best", "<i8"),  # ladder index of the best level; NO_LEVEL: the side is empty
        ("top_word", "<i8"),  # bit n: word n of the middle words is not 0
        ("origin_ticks", "<i8"),  # price of ladder index 0, the best price that can be
        ("first_level", "<i8"),  # where this ladder begins in `levels`
        ("levels", "<i8"),
    ],
    align=True,
)

# One instrument's orders that stand in no price queue, in ascending order of order id.
OFF_BOOK_QUEUE = np.dtype([("head", "<i4"), ("tail", "<i4")])

# One row of running totals.
POOL = np.dtype(
    [
        ("slots_used", "<i8"),
        ("free_slots", "<i8"),  # how many wait on the stack
        ("open_orders", "<i8"),
        ("expiring", "<i8"),  # GTD orders in the heap
        ("pending_stops", "<i8"),  # how many of them wait for their stop price
        ("hidden_slices", "<i8"),  # how often icebergs can still be refreshed
        ("levels_used", "<i8"),  # of each side's ladder pool
    ],
    align=True,
)


class BookArrays(NamedTuple):
    """All books of all instruments."""

    orders: np.ndarray  # ORDER, by slot
    details: np.ndarray  # ORDER_DETAILS, by slot
    account_links: np.ndarray  # ACCOUNT_LINK, by slot
    account_ends: np.ndarray  # ACCOUNT_ENDS, by account
    expiries: np.ndarray  # EXPIRY, by slot
    expiry_heap: np.ndarray  # int32 slots, from place 1; 0 where none lies
    conditions: np.ndarray  # ORDER_CONDITIONS, by slot
    free_slots: np.ndarray  # int32 stack
    levels: np.ndarray  # LEVEL; all buy ladders, all sell ladders, then those of the stops
    leaf_words: np.ndarray  # int64; bit n of word w: level 64 * w + n has orders
    middle_words: np.ndarray  # int64, MIDDLE_WORDS for each row of `sides`
    sides: np.ndarray  # BOOK_SIDE
    off_book: np.ndarray  # OFF_BOOK_QUEUE, by instrument
    pool: np.ndarray  # POOL, one row


def aligned_zeros(count: int, dtype: np.dtype | type) -> np.ndarray:
    """Zeros that begin at a cache line, uncommitted until they are touched.

    Large ones begin at a huge page, for the operating system gives such pages only whole, and what
    is used most of a pool lies at its beginning.
    """
    size_bytes = count * np.dtype(dtype).itemsize
    alignment = CACHE_LINE_BYTES if size_bytes < HUGE_PAGE_BYTES else HUGE_PAGE_BYTES
    raw = np.zeros(size_bytes + alignment, np.uint8)
    start = -raw.ctypes.data % alignment
    return raw[start : start + size_bytes].view(dtype)


def power_of_two(count: int) -> int:
    """The lowest that is not less: for buffers that grow, so that they grow a few times only."""
    return 1 << (count - 1).bit_length()


def commit(array: np.ndarray) -> None:
    """Have the operating system give the array its memory now, not while the market runs.

    A page that is touched for the first time costs as much as dozens of commands.
    """
    pages = array.view(np.uint8)[::PAGE_BYTES]
    pages += 0


def allocate_book(limits: EngineLimits) -> BookArrays:
    """An empty book for `limits`."""
    assert limits.ladder_levels % WORD_BITS == 0, "ladders are cut from whole words"
    sides = aligned_zeros(4 * limits.instruments, BOOK_SIDE)
    sides["best"] = NO_LEVEL
    return BookArrays(
        orders=aligned_zeros(limits.orders, ORDER),
        details=aligned_zeros(limits.orders, ORDER_DETAILS),
        account_links=aligned_zeros(limits.orders, ACCOUNT_LINK),
        account_ends=aligned_zeros(limits.accounts, ACCOUNT_ENDS),
        expiries=aligned_zeros(limits.orders, EXPIRY),
        expiry_heap=aligned_zeros(limits.orders + 1, np.int32),
        conditions=aligned_zeros(limits.orders, ORDER_CONDITIONS),
        free_slots=aligned_zeros(limits.orders, np.int32),
        levels=aligned_zeros(4 * limits.ladder_levels, LEVEL),
        leaf_words=aligned_zeros(4 * limits.ladder_levels // WORD_BITS, np.int64),
        middle_words=aligned_zeros(4 * limits.instruments * MIDDLE_WORDS, np.int64),
        sides=sides,
        off_book=aligned_zeros(limits.instruments, OFF_BOOK_QUEUE),
        pool=aligned_zeros(1, POOL),
    )
