"""At what price an auction would trade, told from price levels: the rule, in plain Python.

The reference engine ends its auctions with it and market data shows its result while an auction
lasts. The compiled engine has an algorithm of its own (engine/matching/auction.py), which walks the
ladders from both ends; the property tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile
from typing import NamedTuple

# Price in ticks and open quantity in lots.
PriceLevel = tuple[int, int]


class AuctionPrice(NamedTuple):
    """The price, what trades at it, and what is left over at it: buy minus sell."""

    price_ticks: int  # 0: nothing trades
    quantity_lots: int
    surplus_lots: int


NO_AUCTION_PRICE = AuctionPrice(0, 0, 0)


class _Range(NamedTuple):
    """Neighbouring prices at which the same would be bought and sold."""

    first_ticks: int
    demand_lots: int
    supply_lots: int

    @property
    def surplus_lots(self) -> int:
        return self.demand_lots - self.supply_lots

    @property
    def rank(self) -> tuple[int, int]:
        """The more is traded and the less is left over, the greater."""
        return min(self.demand_lots, self.supply_lots), -abs(self.surplus_lots)


def auction_price(
    bids: Iterable[PriceLevel], asks: Iterable[PriceLevel], reference_ticks: int
) -> AuctionPrice:
    """Greatest volume, then least surplus, then pressure, then nearest to the reference price.

    Levels come best first; there may be several at one price.
    """
    bid_levels, ask_levels = list(bids), list(asks)
    if not bid_levels or not ask_levels or bid_levels[0][0] < ask_levels[0][0]:
        return NO_AUCTION_PRICE
    ranges = _ranges(bid_levels, ask_levels)
    best = max(each.rank for each in ranges)
    chosen = [index for index, each in enumerate(ranges) if each.rank == best]
    first, last = ranges[chosen[0]], ranges[chosen[-1]]
    is_at_end = last is ranges[-1]
    highest_ticks = bid_levels[0][0] if is_at_end else ranges[chosen[-1] + 1].first_ticks - 1
    if last.surplus_lots > 0:  # pressure of buyers all over
        price_ticks = highest_ticks
    elif first.surplus_lots < 0:
        price_ticks = first.first_ticks
    else:
        price_ticks = min(max(reference_ticks, first.first_ticks), highest_ticks)
    found = [each for each in ranges if each.first_ticks <= price_ticks][-1]
    return AuctionPrice(price_ticks, found.rank[0], found.surplus_lots)


def _ranges(bids: list[PriceLevel], asks: list[PriceLevel]) -> list[_Range]:
    """All prices from the best ask to the best bid, ascending, where something changes."""
    highest_ticks, lowest_ticks = bids[0][0], asks[0][0]
    changes: dict[int, list[int]] = {}
    demand_lots = supply_lots = 0
    for price_ticks, lots in takewhile(lambda level: level[0] >= lowest_ticks, bids):
        demand_lots += lots
        changes.setdefault(price_ticks + 1, [0, 0])[0] -= lots
    for price_ticks, lots in takewhile(lambda level: level[0] <= highest_ticks, asks):
        changes.setdefault(price_ticks, [0, 0])[1] += lots
    ranges = []
    for first_ticks in sorted(changes):
        if first_ticks <= highest_ticks:
            demand_lots += changes[first_ticks][0]
            supply_lots += changes[first_ticks][1]
            ranges.append(_Range(first_ticks, demand_lots, supply_lots))
    return ranges
