"""Netting: closing prices, who delivers to whom, and how a delivery is cut."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement import netting
from settlement.market_rules import ClosingPriceRule, shipped
from settlement.netting import DayFigures, Transfer
from settlement.tables.clearing import ClearingNet
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


def net(account: int, lots: int) -> ClearingNet:
    return ClearingNet(account=account, bought_lots=max(lots, 0), sold_lots=max(-lots, 0))


def test_pairs_in_the_order_of_account_numbers() -> None:
    """Sellers and buyers are paired off one after the other, always in the same way."""
    nets = [net(4, 50), net(1, -290), net(3, 400), net(2, -160), net(5, 0)]
    assert list(netting.transfers(nets)) == [
        Transfer(1, 3, 290),
        Transfer(2, 3, 110),
        Transfer(2, 4, 50),
    ]
    cut = netting.batches(nets, 2)
    assert [batch.transfers for batch in cut] == [
        [Transfer(1, 3, 290), Transfer(2, 3, 110)],
        [Transfer(2, 4, 50)],
    ]
    assert [batch.accounts for batch in cut] == [[1, 3], [2, 4, 5]]


@given(
    lots=st.lists(st.integers(-1_000, 1_000), max_size=30),
    size=st.integers(1, 10),
)
def test_batches_deliver_everything_once(lots: list[int], size: int) -> None:
    """Whatever the nets: all is delivered, every account is paid once and not before its last
    transfer, and no batch is too large."""
    lots = [*lots, -sum(lots)]
    nets = [net(account, quantity) for account, quantity in enumerate(lots, start=1)]
    cut = netting.batches(nets, size)
    moved: defaultdict[int, int] = defaultdict(int)
    paid: list[int] = []
    for batch in cut:
        assert len(batch.transfers) <= size
        for transfer in batch.transfers:
            assert transfer.quantity_lots > 0
            assert transfer.from_account not in paid
            assert transfer.to_account not in paid
            moved[transfer.from_account] -= transfer.quantity_lots
            moved[transfer.to_account] += transfer.quantity_lots
        paid += batch.accounts
    assert sorted(paid) == list(range(1, len(lots) + 1))
    assert [moved[account] for account in range(1, len(lots) + 1)] == lots
