"""One instrument's shown orders, one by one and without their owners: for listed selection."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from sortedcontainers import SortedDict

from engine.codes import Side
from engine.decimals import format_price


@dataclass(slots=True)
class _Shown:
    side: int
    key: tuple[int, int]
    order_id: int
    price_ticks: int
    quantity_lots: int


class Listing:
    """The orders of both sides in the order of trading, found by their ids, too."""

    def __init__(self) -> None:
        self._sides: tuple[SortedDict[tuple[int, int], _Shown], ...] = (SortedDict(), SortedDict())
        self._by_id: dict[int, _Shown] = {}
        self._entered = 0

    def enter(self, order_id: int, side: int, price_ticks: int, quantity_lots: int) -> None:
        """Show an order behind all others of its price."""
        self._entered += 1
        rank = price_ticks if side == Side.SELL else -price_ticks
        shown = _Shown(side, (rank, self._entered), order_id, price_ticks, quantity_lots)
        self._by_id[order_id] = self._sides[side][shown.key] = shown

    def leave(self, order_id: int) -> None:
        """Show an order no longer."""
        shown = self._by_id.pop(order_id)
        del self._sides[shown.side][shown.key]

    def resize(self, order_id: int, quantity_lots: int) -> None:
        """Show so much of an order, where it stands."""
        self._by_id[order_id].quantity_lots = quantity_lots

    def requeue(self, order_id: int) -> None:
        """Show an order behind all others of its price: the next slice of an iceberg."""
        shown = self._by_id[order_id]
        self.leave(order_id)
        self.enter(order_id, shown.side, shown.price_ticks, shown.quantity_lots)

    def view(self, limit: int, tick_fen: int) -> list[dict[str, Any]]:
        """The first `limit` orders of each side: those who buy, then those who sell."""
        first = (islice(side.values(), limit) for side in self._sides)
        return [
            {
                "order_id": str(shown.order_id),
                "side": "sell" if shown.side == Side.SELL else "buy",
                "price": format_price(shown.price_ticks, tick_fen),
                "quantity": str(shown.quantity_lots),
            }
            for shown in chain.from_iterable(first)
        ]
