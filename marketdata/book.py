"""One instrument's aggregated book: quantity and number of orders at each price.

Both sides are one class. Prices are kept under a *rank* that is smaller the better the price is
(the price itself for asks, its negative for bids), so that the best level always comes first.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Any

from sortedcontainers import SortedDict

from engine.codes import Side
from engine.decimals import format_price

CHECKSUM_LEVELS = 10

# A level as clients see it: [price, quantity, number of orders].
LevelView = list[Any]
# Rank, and quantity and orders as they are now; to be rendered if anybody wants to see it.
LevelChange = tuple[int, tuple[int, int]]


class BookSide:
    """The levels of one side, best first, and what has changed since the last `take_changes`."""

    __slots__ = ("_before", "_hidden", "_levels", "sign", "tick_fen")

    def __init__(self, side: Side, tick_fen: int) -> None:
        self.sign = 1 if side == Side.SELL else -1
        self.tick_fen = tick_fen
        self._levels: SortedDict[int, list[int]] = SortedDict()  # rank -> [quantity_lots, orders]
        self._before: dict[int, tuple[int, int]] = {}
        # Lots that icebergs hide, by rank: nobody sees them, but a call auction counts them.
        self._hidden: dict[int, int] = {}

    def hide(self, rank: int, quantity_lots: int) -> None:
        """Change what a level hides by so many lots, which may be negative."""
        hidden_lots = self._hidden.pop(rank, 0) + quantity_lots
        if hidden_lots:
            self._hidden[rank] = hidden_lots

    def add(self, rank: int, quantity_lots: int, orders: int) -> None:
        """Change a level by so many lots and orders; both may be negative."""
        level = self._levels.get(rank)
        if level is None:
            self._before.setdefault(rank, (0, 0))
            self._levels[rank] = [quantity_lots, orders]
            return
        if rank not in self._before:
            self._before[rank] = (level[0], level[1])
        level[0] += quantity_lots
        level[1] += orders
        if not level[1]:
            assert not level[0], f"no order is left at rank {rank}, yet {level[0]} lots are"
            del self._levels[rank]

    def take_changes(self) -> list[LevelChange]:
        """The levels that differ from what they were at the last call."""
        changes = []
        for rank, before in self._before.items():
            level = self._levels.get(rank)
            now = (level[0], level[1]) if level is not None else (0, 0)
            if now != before:
                changes.append((rank, now))
        self._before.clear()
        return changes

    def view(self, changes: list[LevelChange]) -> list[LevelView]:
        """The changes as clients see them; levels that are gone with "0"."""
        return [self._view(rank, level) for rank, level in changes]

    def best(self) -> tuple[int, int] | None:
        """Price in ticks and quantity in lots of the best level, or None if the side is empty."""
        if not self._levels:
            return None
        rank, level = self._levels.peekitem(0)
        return rank * self.sign, level[0]

    def reached_from(self, price_ticks: int) -> Iterator[tuple[int, int]]:
        """Price and quantity, shown and hidden, of the levels that an opposite order at this price
        reaches."""
        reach = price_ticks * self.sign
        for rank, level in self._levels.items():
            if rank > reach:
                return
            yield rank * self.sign, level[0] + self._hidden.get(rank, 0)

    def depth(self, levels: int | None) -> list[LevelView]:
        """The best levels, or all of them."""
        return [self._view(rank, level) for rank, level in islice(self._levels.items(), levels)]

    def _view(self, rank: int, level: list[int] | tuple[int, int]) -> LevelView:
        return [format_price(rank * self.sign, self.tick_fen), str(level[0]), level[1]]


class Book:
    """Both sides of one instrument."""

    __slots__ = ("_checksum", "asks", "bids", "sides")

    def __init__(self, tick_fen: int) -> None:
        self.bids = BookSide(Side.BUY, tick_fen)
        self.asks = BookSide(Side.SELL, tick_fen)
        self.sides = (self.bids, self.asks)  # indexed by engine.codes.Side
        self._checksum: int | None = None

    def take_changes(self) -> tuple[list[LevelChange], list[LevelChange]] | None:
        """Changed levels of both sides since the last call, or None."""
        bids, asks = self.bids.take_changes(), self.asks.take_changes()
        if not bids and not asks:
            return None
        self._checksum = None
        return bids, asks

    @property
    def checksum(self) -> int:
        """CRC-32 of the best ten levels of each side, whatever depth was asked for."""
        if self._checksum is None:
            self._checksum = checksum(
                self.bids.depth(CHECKSUM_LEVELS), self.asks.depth(CHECKSUM_LEVELS)
            )
        return self._checksum


def checksum(bids: list[LevelView], asks: list[LevelView]) -> int:
    """CRC-32 (zlib's, unsigned) of `price:quantity` of each level, joined by `|`.

    First the best ten bids, best first, then the best ten asks, best first, written exactly as
    they are sent: `49.99:100|49.98:5|50.01:7`. An empty book gives the CRC of no bytes, 0.
    """
    levels = bids[:CHECKSUM_LEVELS] + asks[:CHECKSUM_LEVELS]
    return zlib.crc32("|".join(f"{level[0]}:{level[1]}" for level in levels).encode("ascii"))
