"""The best levels of one side of a book, for whoever looks at it from outside."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.compiled import entry_point, int64
from engine.orderbook.arrays import NO_LEVEL, BookArrays
from engine.orderbook.ladder import ladder_price, next_level

DEPTH_LEVEL = np.dtype([("price_ticks", "<i8"), ("quantity_lots", "<i8"), ("orders", "<i8")])


def best_levels(book: BookArrays, instrument: int, side: int, count: int) -> np.ndarray:
    """Up to `count` DEPTH_LEVEL rows, best price first. The instrument must be defined."""
    rows = np.zeros(count, DEPTH_LEVEL)
    return rows[: int(_write_levels(book, instrument, int(side), rows))]


@entry_point
def _write_levels(book: BookArrays, instrument: int, side: int, rows: np.ndarray) -> Any:
    book_side = book.sides[2 * instrument + side]
    index = book_side["best"]
    written = 0
    while index != NO_LEVEL and written < len(rows):
        level = book.levels[book_side["first_level"] + index]
        row = rows[written]
        row["price_ticks"] = ladder_price(book, instrument, side, index)
        row["quantity_lots"] = level["quantity_lots"]
        row["orders"] = int64(level["orders"])
        written += 1
        index = next_level(book, instrument, side, index)
    return written
