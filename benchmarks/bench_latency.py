"""How long a message waits for the engine alone when messages come at a fixed rate.

Workload: `benchmarks.growing_market` with 100,000 resting orders of 1,000 accounts in ten
instruments. The rates are shares of the throughput in full batches of 256, which is measured first
in the same run. Batches are whatever has come by the time the engine is ready, up to 256. Latency
counts from the time at which a message was to come: see `benchmarks.latency`. There is no journal
and no network here; `bench_core` measures those.

A round begins with a run-in at the same rate, which is not counted. Making the flow leaves the
processor's caches without the market; the first calls take longer, and at a high rate the backlog
of that millisecond takes tens of milliseconds to go. It says nothing of a market that is running.
"""

from __future__ import annotations

import resource
import time
from typing import Any, NamedTuple

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.growing_market import GrowingMarket, MarketSize
from benchmarks.latency import Answered, offer
from benchmarks.measure import PERCENTILES, percentiles
from engine.matching.engine import Engine

BATCH = 256
RUN_IN = 200_000
MESSAGES = 500_000
ROUNDS = 7
SEED = 20_261_120
SIZE = MarketSize(instruments=10, accounts=1_000, ladder_levels=8_192)


class _Running(NamedTuple):
    market: GrowingMarket
    engine: Engine
    messages_per_second: int  # in full batches: the median of several rounds


@pytest.fixture(scope="module")
def running() -> _Running:
    """An open market, and what it can do."""
    market = GrowingMarket(SIZE, SEED)
    engine = Engine(market.limits)
    engine.warm_up()
    for commands in market.opening():
        assert not np.any(engine.apply(commands)["code"]), "the opening is accepted"
    rates = []
    for _ in range(ROUNDS):
        flow = market.flow(MESSAGES)
        start = time.perf_counter()
        for first in range(0, MESSAGES, BATCH):
            engine.apply(flow[first : first + BATCH])
        rates.append(MESSAGES / (time.perf_counter() - start))
    return _Running(market, engine, round(float(np.median(rates))))


@pytest.mark.parametrize("percent", [25, 50, 75])
def test_latency(benchmark: BenchmarkFixture, running: _Running, percent: int) -> None:
    """Percentiles of each round of 500,000 messages; stored is their median, and the range."""
    benchmark.group = f"latency: {MESSAGES:,} messages a round at a fixed rate"
    rate = running.messages_per_second * percent // 100
    rounds: list[Answered] = []
    switches: list[int] = []

    def run(flow: np.ndarray) -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
        rounds.append(offer(running.engine.apply, flow, rate, BATCH))
        switches.append(resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - before)

    def set_up() -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (running.market.flow(RUN_IN + MESSAGES),), {}

    benchmark.pedantic(  # type: ignore[no-untyped-call]
        run, setup=set_up, rounds=ROUNDS
    )
    assert int(running.engine.arrays.book.pool[0]["open_orders"]) == SIZE.orders
    found = [percentiles(answered.latencies_ns[RUN_IN:]) for answered in rounds]
    benchmark.extra_info["messages per second"] = f"{rate:,}"
    calls = sum(answered.calls for answered in rounds)
    benchmark.extra_info["messages per call"] = round((RUN_IN + MESSAGES) * len(rounds) / calls, 1)
    # How often the operating system let others run instead: a tail that they made is not ours.
    benchmark.extra_info["interrupted a round"] = float(np.median(switches))
    for name in PERCENTILES:
        values = sorted(one[name] / 1_000 for one in found)
        middle = values[len(values) // 2]
        benchmark.extra_info[f"{name} us"] = (
            f"{middle:,.1f} ({values[0]:,.1f} to {values[-1]:,.1f})"
        )
