"""Who wins a one-way auction: price, then time, caps, and what each winner pays."""

from __future__ import annotations

import pytest

from engine.codes import Side
from settlement.allotment import Allotment, Bid, Lot, allot

ALL = 1_000_000
BIDS = [
    Bid(number=1, account=1, price_ticks=50, quantity_lots=40),
    Bid(number=2, account=2, price_ticks=55, quantity_lots=40),
    Bid(number=3, account=3, price_ticks=50, quantity_lots=40),
    Bid(number=4, account=2, price_ticks=60, quantity_lots=30),
]


@pytest.mark.parametrize(
    ("lot", "won"),
    [
        (Lot(Side.SELL, 100, "highest", ALL), [(4, 30, 60), (2, 40, 55), (1, 30, 50)]),
        (Lot(Side.SELL, 100, "uniform", ALL), [(4, 30, 50), (2, 40, 50), (1, 30, 50)]),
        (Lot(Side.BUY, 100, "highest", ALL), [(1, 40, 50), (3, 40, 50), (2, 20, 55)]),
        (Lot(Side.BUY, 50, "uniform", ALL), [(1, 40, 50), (3, 10, 50)]),
        (
            Lot(Side.SELL, 100, "uniform", 350_000),
            [(4, 30, 50), (2, 5, 50), (1, 35, 50), (3, 30, 50)],
        ),
        (Lot(Side.SELL, 30, "highest", ALL), [(4, 30, 60)]),
        (
            Lot(Side.SELL, 1_000, "uniform", ALL),
            [(4, 30, 50), (2, 40, 50), (1, 40, 50), (3, 40, 50)],
        ),
        (Lot(Side.SELL, 1, "uniform", 300_000), []),
    ],
)  # fmt: skip
def test_the_best_price_wins_then_the_first_bid(lot: Lot, won: list[tuple[int, int, int]]) -> None:
    """Each row: the lot, and the bids that win, with quantity and price."""
    assert allot(lot, BIDS) == [Allotment(*each) for each in won]


def test_without_bids_nothing_is_won() -> None:
    """No bid, no winner, no price."""
    assert allot(Lot(Side.SELL, 10, "uniform", ALL), []) == []
