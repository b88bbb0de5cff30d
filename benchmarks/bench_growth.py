"""What a message costs in markets of different sizes: resting orders, instruments, accounts.

Workload: `benchmarks.growing_market`, which says what a flow is; compiled engine, all checks,
batches of 256, a round is 25,600 messages of one flow that goes on. Each group varies one size and
leaves the others; its rows are to be compared with its first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.growing_market import GrowingMarket, MarketSize
from benchmarks.measure import note_cost
from engine.codes import EventKind
from engine.matching.engine import Engine

BATCH = 256
MESSAGES = 100 * BATCH
ROUNDS = 40
SEED = 20_261_120
NARROW_LEVELS = 8_192  # a thousand ladders of them fit into the engine's usual limits


@pytest.mark.parametrize("orders", [10**3, 10**4, 10**5, 10**6, 4 * 10**6])
def test_resting_orders(benchmark: BenchmarkFixture, orders: int) -> None:
    """One instrument with 196,000 prices, 100 accounts."""
    _measure(benchmark, "resting orders", MarketSize(orders=orders))


@pytest.mark.parametrize("instruments", [1, 10, 100, 1_000])
def test_instruments(benchmark: BenchmarkFixture, instruments: int) -> None:
    """The same 100,000 orders of 100 accounts over more and more instruments."""
    size = MarketSize(instruments=instruments, ladder_levels=NARROW_LEVELS)
    _measure(benchmark, "instruments", size)


@pytest.mark.parametrize("accounts", [10, 10**3, 10**5, 10**6])
def test_accounts(benchmark: BenchmarkFixture, accounts: int) -> None:
    """The same 100,000 orders in one instrument, of more and more accounts."""
    _measure(benchmark, "accounts", MarketSize(accounts=accounts))


def test_everything(benchmark: BenchmarkFixture) -> None:
    """4,000,000 orders of 1,000,000 accounts in 1,000 instruments, each account in one of them."""
    size = MarketSize(
        orders=4 * 10**6,
        instruments=1_000,
        accounts=10**6,
        ladder_levels=NARROW_LEVELS,
        is_spread=True,
    )
    _measure(benchmark, "everything", size)


def _measure(benchmark: BenchmarkFixture, what_grows: str, size: MarketSize) -> None:
    benchmark.group = f"growth: {what_grows}"
    market = GrowingMarket(size, SEED)
    engine = Engine(market.limits)
    engine.warm_up()
    for commands in market.opening():
        assert not np.any(engine.apply(commands)["code"]), "the opening is accepted"

    def run(flow: np.ndarray) -> None:
        for start in range(0, MESSAGES, BATCH):
            engine.apply(flow[start : start + BATCH])

    def set_up() -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (market.flow(MESSAGES),), {}

    benchmark.pedantic(  # type: ignore[no-untyped-call]
        run, setup=set_up, rounds=ROUNDS, warmup_rounds=2
    )
    note_cost(benchmark, MESSAGES)
    # Whether all that did what it was meant to do shows in what follows on it.
    events = engine.apply(market.flow(MESSAGES)).copy()
    assert not np.any(events["code"])
    assert np.count_nonzero(events["kind"] == EventKind.TRADE) > MESSAGES // 5
    assert int(engine.arrays.book.pool[0]["open_orders"]) == size.orders
