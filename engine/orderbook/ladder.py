"""Price ladders: which prices have orders, and which is the best one.

A ladder index counts from the best price that the ladder can hold, on both sides: index 0 is the
lowest price of the sell ladder and the highest of the buy ladder. So the best level is always the
lowest index, and one algorithm serves both sides. Three layers of bitmap words find the next level.

Stop orders stand at their stop prices on ladders of their own, each on the other side's: the best
buy stop is the lowest, as if it were for sale to a buyer at the last price, so the same comparison
tells whether it is reached.
"""

from __future__ import annotations

from typing import Any

from engine.codes import Side
from engine.compiled import inlined, int64, kernel
from engine.orderbook.arrays import MIDDLE_WORDS, NO_LEVEL, WORD_BITS, BookArrays
from engine.orderbook.bits import trailing_zeros

_WORD_SHIFT = 6
_WORD_INDEX = WORD_BITS - 1


@inlined
def stop_book(book: BookArrays, instrument: int) -> Any:
    """The number of the book in which an instrument's stop orders wait."""
    return instrument + len(book.sides) // 4


@inlined
def ladder_index(book: BookArrays, instrument: int, side: int, price_ticks: int) -> Any:
    """Where a price lies on a side's ladder; lower is better."""
    origin_ticks = book.sides[2 * instrument + side]["origin_ticks"]
    if side == Side.BUY:
        return origin_ticks - price_ticks
    return price_ticks - origin_ticks


@inlined
def ladder_price(book: BookArrays, instrument: int, side: int, index: int) -> Any:
    """The price of a ladder index, in ticks."""
    origin_ticks = book.sides[2 * instrument + side]["origin_ticks"]
    if side == Side.BUY:
        return origin_ticks - index
    return origin_ticks + index


@inlined
def mark_level(book: BookArrays, instrument: int, side: int, index: int) -> None:
    """Note that the level has orders now."""
    row = 2 * instrument + side
    book_side = book.sides[row]
    one = int64(1)
    leaf = index >> _WORD_SHIFT
    middle = leaf >> _WORD_SHIFT
    book.leaf_words[(book_side["first_level"] >> _WORD_SHIFT) + leaf] |= one << (
        index & _WORD_INDEX
    )
    book.middle_words[row * MIDDLE_WORDS + middle] |= one << (leaf & _WORD_INDEX)
    book_side["top_word"] |= one << middle
    book_side["best"] = min(book_side["best"], index)


@inlined
def unmark_level(book: BookArrays, instrument: int, side: int, index: int) -> None:
    """Note that the level has no orders any more, and find the best one again."""
    row = 2 * instrument + side
    book_side = book.sides[row]
    one = int64(1)
    first_leaf = book_side["first_level"] >> _WORD_SHIFT
    first_middle = row * MIDDLE_WORDS
    leaf = index >> _WORD_SHIFT
    middle = leaf >> _WORD_SHIFT
    word = book.leaf_words[first_leaf + leaf] & ~(one << (index & _WORD_INDEX))
    book.leaf_words[first_leaf + leaf] = word
    if word == 0:
        word = book.middle_words[first_middle + middle] & ~(one << (leaf & _WORD_INDEX))
        book.middle_words[first_middle + middle] = word
        if word == 0:
            book_side["top_word"] &= ~(one << middle)
    if index == book_side["best"]:
        book_side["best"] = _lowest_level(book, row)


@inlined
def _lowest_level(book: BookArrays, row: int) -> Any:
    """The lowest index that is marked, or NO_LEVEL."""
    book_side = book.sides[row]
    if book_side["top_word"] == 0:
        return int64(NO_LEVEL)
    middle = trailing_zeros(book_side["top_word"])
    word = book.middle_words[row * MIDDLE_WORDS + middle]
    leaf = (middle << _WORD_SHIFT) + trailing_zeros(word)
    word = book.leaf_words[(book_side["first_level"] >> _WORD_SHIFT) + leaf]
    return int64((leaf << _WORD_SHIFT) + trailing_zeros(word))


@inlined
def next_level(book: BookArrays, instrument: int, side: int, index: int) -> Any:
    """The lowest marked index above `index`, or NO_LEVEL."""
    row = 2 * instrument + side
    book_side = book.sides[row]
    first_leaf = book_side["first_level"] >> _WORD_SHIFT
    first_middle = row * MIDDLE_WORDS
    # Two shifts, because a shift by all 64 bits is not defined.
    above = int64(-2)
    leaf = index >> _WORD_SHIFT
    word = book.leaf_words[first_leaf + leaf] & (above << (index & _WORD_INDEX))
    if word == 0:
        middle = leaf >> _WORD_SHIFT
        word = book.middle_words[first_middle + middle] & (above << (leaf & _WORD_INDEX))
        if word == 0:
            word = book_side["top_word"] & (above << middle)
            if word == 0:
                return int64(NO_LEVEL)
            middle = trailing_zeros(word)
            word = book.middle_words[first_middle + middle]
        leaf = (middle << _WORD_SHIFT) + trailing_zeros(word)
        word = book.leaf_words[first_leaf + leaf]
    return int64((leaf << _WORD_SHIFT) + trailing_zeros(word))


@kernel
def open_ladders(book: BookArrays, instrument: int, levels: int, lower_limit_ticks: int) -> None:
    """Cut an instrument's ladders from the pool, with `lower_limit_ticks` as lowest price."""
    pool = book.pool[0]
    quarter = len(book.levels) // 4
    first_level = pool["levels_used"]
    for number in (instrument, stop_book(book, instrument)):
        for side in range(2):
            book_side = book.sides[2 * number + side]
            book_side["first_level"] = first_level
            book_side["levels"] = levels
            book_side["best"] = NO_LEVEL
            first_level += quarter
        _set_origins(book, number, lower_limit_ticks)
    pool["levels_used"] += levels


@kernel
def _set_origins(book: BookArrays, instrument: int, lower_limit_ticks: int) -> None:
    sell_side = book.sides[2 * instrument + Side.SELL]
    buy_side = book.sides[2 * instrument + Side.BUY]
    sell_side["origin_ticks"] = lower_limit_ticks
    buy_side["origin_ticks"] = lower_limit_ticks + buy_side["levels"] - 1


@kernel
def move_ladders(book: BookArrays, instrument: int, lower_limit_ticks: int) -> None:
    """Let all ladders begin at another price; queues and their orders stay as they are.

    Every order must already lie within the new range.
    """
    shift = book.sides[2 * instrument + Side.SELL]["origin_ticks"] - lower_limit_ticks
    if shift != 0:
        for number in (instrument, stop_book(book, instrument)):
            _shift_levels(book, number, Side.SELL, shift)
            _shift_levels(book, number, Side.BUY, -shift)
            _set_origins(book, number, lower_limit_ticks)


@kernel
def _shift_levels(book: BookArrays, instrument: int, side: int, shift: int) -> None:
    """Move each level that has orders by `shift` indexes, from the end towards which they move."""
    row = 2 * instrument + side
    book_side = book.sides[row]
    if book_side["top_word"] == 0:
        return
    first_level = book_side["first_level"]
    count = book_side["levels"]
    for leaf in range(first_level >> _WORD_SHIFT, (first_level + count) >> _WORD_SHIFT):
        book.leaf_words[leaf] = 0
    for middle in range(row * MIDDLE_WORDS, (row + 1) * MIDDLE_WORDS):
        book.middle_words[middle] = 0
    book_side["top_word"] = 0
    book_side["best"] = NO_LEVEL
    for step in range(count):
        index = count - 1 - step if shift > 0 else step
        old = book.levels[first_level + index]
        if old["orders"] == 0:
            continue
        new = book.levels[first_level + index + shift]
        new["quantity_lots"] = old["quantity_lots"]
        new["head"] = old["head"]
        new["tail"] = old["tail"]
        new["orders"] = old["orders"]
        old["quantity_lots"] = 0
        old["head"] = 0
        old["tail"] = 0
        old["orders"] = 0
        mark_level(book, instrument, side, index + shift)
