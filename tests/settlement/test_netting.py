"""Netting: closing prices, who delivers to whom, and how a delivery is cut."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement import netting
from settlement.market_rules import ClosingPriceRule, shipped
from settlement.netting import DayFigures
from settlement.tables.trading import Instrument


@pytest.mark.parametrize(
    ("trades", "expected"),
    [
        ([], (5_000, "previous_close")),
        ([(5_100, 100)], (5_000, "previous_close")),
        ([(5_100, 101)], (5_100, "vwap")),
        ([(5_100, 100), (5_101, 100)], (5_101, "vwap")),  # exactly half: up
        ([(5_100, 101), (5_101, 100)], (5_100, "vwap")),
        ([(5_100, 1), (5_101, 200)], (5_101, "vwap")),
        ([(2**31 - 1, 2**31 - 1)], (2**31 - 1, "vwap")),
    ],
)
@pytest.mark.parametrize("tick_fen", [1, 5, 100])
def test_closing_price(
    trades: list[tuple[int, int]], expected: tuple[int, str], tick_fen: int
) -> None:
    """The average rounded half up to a tick; at or below the thin-market volume the last one."""
    instrument = Instrument(tick_fen=tick_fen, reference_price_ticks=5_000)
    day = DayFigures(
        trades=len(trades),
        volume_lots=sum(lots for _, lots in trades),
        notional_fen=sum(price * tick_fen * lots for price, lots in trades),
    )
    assert netting.closing_price(instrument, day, shipped().closing_price) == expected


@pytest.mark.parametrize(
    ("quantity_lots", "expected"), [(9, "previous_close"), (10, "previous_close"), (11, "vwap")]
)
def test_the_thin_market_is_the_operators(quantity_lots: int, expected: str) -> None:
    """Another volume in the rule, and trades below it, at it and above it."""
    instrument = Instrument(tick_fen=1, reference_price_ticks=5_000)
    day = DayFigures(1, quantity_lots, quantity_lots * 5_100)
    rule = ClosingPriceRule(thin_market_quantity=10, source="test")
    assert netting.closing_price(instrument, day, rule)[1] == expected


def net_rows(lots_of: dict[int, int]) -> np.ndarray:
    """Rows as a delivery plan reads them: account, net lots, cash, fees."""
    return np.array([(account, lots, 0, 0) for account, lots in sorted(lots_of.items())])


def test_pairs_in_the_order_of_account_numbers() -> None:
    """Sellers and buyers are paired off one after the other, always in the same way."""
    nets = net_rows({4: 50, 1: -290, 3: 400, 2: -160, 5: 0})
    assert netting.transfers(nets).tolist() == [[1, 3, 290], [2, 3, 110], [2, 4, 50]]
    cut = netting.batches(nets, 2)
    assert [batch.transfers.tolist() for batch in cut] == [
        [[1, 3, 290], [2, 3, 110]],
        [[2, 4, 50]],
    ]
    assert [batch.payments[:, 0].tolist() for batch in cut] == [[1, 3], [2, 4, 5]]


@given(
    lots=st.lists(st.integers(-1_000, 1_000), max_size=30),
    size=st.integers(1, 10),
)
def test_batches_deliver_everything_once(lots: list[int], size: int) -> None:
    """Whatever the nets: all is delivered, every account is paid once and not before its last
    transfer, and no batch is too large."""
    lots = [*lots, -sum(lots)]
    cut = netting.batches(net_rows(dict(enumerate(lots, start=1))), size)
    moved: defaultdict[int, int] = defaultdict(int)
    paid: list[int] = []
    for batch in cut:
        assert len(batch.transfers) <= size
        for seller, buyer, quantity in batch.transfers.tolist():
            assert quantity > 0
            assert seller not in paid
            assert buyer not in paid
            moved[seller] -= quantity
            moved[buyer] += quantity
        paid += batch.payments[:, 0].tolist()
    assert sorted(paid) == list(range(1, len(lots) + 1))
    assert [moved[account] for account in range(1, len(lots) + 1)] == lots
