"""Markets of any size open as they should, and their flows leave them as large as they were."""

import numpy as np
import pytest

from benchmarks.growing_market import CHUNK_COMMANDS, GrowingMarket, MarketSize
from engine.codes import EventKind, Reason
from engine.matching.engine import Engine
from engine.matching.invariants import check_invariants
from engine.records import ORDER_EVENT

MESSAGES = 2_000
SIZES = {
    "spread": MarketSize(orders=200, instruments=3, accounts=9, ladder_levels=256, is_spread=True),
    "few orders": MarketSize(orders=50, accounts=2),
    "many instruments": MarketSize(orders=300, instruments=40, accounts=5, ladder_levels=64),
    "many accounts": MarketSize(orders=300, accounts=2_000, ladder_levels=4_096),
}


@pytest.mark.parametrize("size", SIZES.values(), ids=list(SIZES))
def test_a_flow_keeps_the_market_as_large_as_it_was(size: MarketSize) -> None:
    """Nothing is refused, every aggressor is filled at once, and the count of orders stays."""
    market = GrowingMarket(size, seed=3)
    engine = Engine(market.limits)
    for commands in market.opening():
        assert not np.any(engine.apply(commands)["code"])
    assert int(engine.arrays.book.pool[0]["open_orders"]) == size.orders
    for _ in range(3):
        events = engine.apply(market.flow(MESSAGES))
        kinds = events["kind"]
        assert not np.any(events["code"])
        is_cancel = kinds == EventKind.ORDER_CANCELLED
        assert set(events.view(ORDER_EVENT)["reason"][is_cancel]) == {Reason.REQUESTED}
        trades, cancels = np.count_nonzero(kinds == EventKind.TRADE), np.count_nonzero(is_cancel)
        assert trades + cancels == MESSAGES // 2
        assert min(trades, cancels) > MESSAGES // 5
        assert int(engine.arrays.book.pool[0]["open_orders"]) == size.orders
    check_invariants(engine.arrays)


def test_the_same_seed_gives_the_same_market() -> None:
    """Runs can be repeated, and different ones differ."""

    def commands(seed: int) -> bytes:
        market = GrowingMarket(SIZES["few orders"], seed)
        return b"".join(chunk.tobytes() for chunk in [*market.opening(), market.flow(100)])

    assert commands(1) == commands(1) != commands(2)


def test_large_openings_come_in_chunks() -> None:
    """No array of commands is longer than a chunk, and none is lost between two."""
    market = GrowingMarket(MarketSize(orders=CHUNK_COMMANDS + 5, accounts=2), seed=1)
    chunks = list(market.opening())
    assert max(map(len, chunks)) == CHUNK_COMMANDS
    assert len(chunks[-1]) == 5
    sequences = np.concatenate([chunk["sequence"] for chunk in chunks])
    assert np.array_equal(sequences, np.arange(1, len(sequences) + 1))
