"""A book built from the stream's snapshots and changes, and held to their checksums."""

from __future__ import annotations

import zlib
from bisect import bisect_left
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from api.client.results import Level

CHECKSUM_LEVELS = 10


class BookSide:
    """The levels of one side, best first. Both sides are one class: a *rank* is smaller the better
    the price is (the price for asks, its negative for bids)."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._ranks: list[Decimal] = []
        self._levels: dict[Decimal, Level] = {}

    def set(self, level: Level) -> None:
        """Put a level in place; a quantity of 0 takes it away."""
        rank = level.price * self._sign
        if not level.quantity:
            if self._levels.pop(rank, None) is not None:
                del self._ranks[bisect_left(self._ranks, rank)]
            return
        if rank not in self._levels:
            self._ranks.insert(bisect_left(self._ranks, rank), rank)
        self._levels[rank] = level

    def clear(self) -> None:
        self._ranks.clear()
        self._levels.clear()

    def levels(self, depth: int | None = None) -> list[Level]:
        """The best levels, or all of them."""
        return [self._levels[rank] for rank in self._ranks[:depth]]

    @property
    def best(self) -> Level | None:
        return self._levels[self._ranks[0]] if self._ranks else None


class Book:
    """Both sides of one instrument; `is_current` is false until the first snapshot, and from a
    gap or a wrong checksum until the next."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.sequence = 0
        self.is_current = False
        self.bids = BookSide(-1)
        self.asks = BookSide(1)

    def apply(self, push: dict[str, Any]) -> bool:
        """Follow a snapshot or a change; false if the book is not what the exchange has."""
        data = push["data"]
        if push["type"] == "snapshot":
            self.bids.clear()
            self.asks.clear()
        for side, levels in ((self.bids, data["bids"]), (self.asks, data["asks"])):
            for price, quantity, orders in levels:
                side.set(Level(Decimal(price), Decimal(quantity), orders))
        self.sequence = push["sequence"]
        self.is_current = self.checksum() == data["checksum"]
        return self.is_current

    def checksum(self) -> int:
        """CRC-32 of the best ten levels of each side as they were sent: `price:quantity|...`."""
        best: Iterable[Level] = (
            *self.bids.levels(CHECKSUM_LEVELS),
            *self.asks.levels(CHECKSUM_LEVELS),
        )
        # A Decimal keeps the zeros that it was written with.
        return zlib.crc32("|".join(f"{one.price}:{one.quantity}" for one in best).encode())
