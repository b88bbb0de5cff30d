"""Who wins how much of a one-way auction, and at which price. Integer arithmetic only.

Best price first, then the bid that came first, until the lot is spent; the last one may get a part
of what it bid for. No account gets more than its cap, over all its bids.

    highest   each winner pays its own bid; a best bid for the whole lot takes it whole
    uniform   all winners pay the price of the worst bid that won
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple

from engine.codes import Side
from engine.units import ONE_MILLION

Mode = Literal["highest", "uniform"]


class Lot(NamedTuple):
    """What is offered, or wanted, and the rules for it."""

    side: int  # the initiator's
    quantity_lots: int
    mode: str
    share_cap_ppm: int  # of the lot, for one account


class Bid(NamedTuple):
    """One sealed bid; `number` is the order in which they came."""

    number: int
    account: int
    price_ticks: int
    quantity_lots: int


class Allotment(NamedTuple):
    """What one bid gets."""

    number: int
    quantity_lots: int
    price_ticks: int


def allot(lot: Lot, bids: Iterable[Bid]) -> list[Allotment]:
    """The bids that win, the best one first; those that get nothing are left out."""
    sign = -1 if lot.side == Side.SELL else 1
    cap_lots = lot.quantity_lots * lot.share_cap_ppm // ONE_MILLION
    left_lots = lot.quantity_lots
    taken_lots: Counter[int] = Counter()
    won: list[Allotment] = []
    for bid in sorted(bids, key=lambda each: (sign * each.price_ticks, each.number)):
        lots = min(bid.quantity_lots, left_lots, cap_lots - taken_lots[bid.account])
        if lots > 0:
            won.append(Allotment(bid.number, lots, bid.price_ticks))
            left_lots -= lots
            taken_lots[bid.account] += lots
    if lot.mode == "uniform" and won:
        worst_ticks = won[-1].price_ticks
        won = [each._replace(price_ticks=worst_ticks) for each in won]
    return won
