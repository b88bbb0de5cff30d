"""The compiled engine beside order books from PyPI, in the same run and on the same flow.

The workload is that of `benchmarks.workloads`. The engine takes it in batches of 256 and one by
one, with all checks, holds, fees and events; the peers take it message by message, as their
interfaces have it, and do no more than match. The engine's messages are records already, the peers'
are tuples of which they make their orders. Every round begins with an empty book, and what is
counted as done must have given the engine's trades, one for one.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.measure import note_cost
from benchmarks.peers import PEERS, Fill, Peer, PeerPackage, engine_fills
from benchmarks.workloads import LIMITS, Message, messages, opening, to_commands
from engine.matching.engine import Engine

MESSAGES = 20_000
SEED = 20_261_120
GROUP = f"peers: {MESSAGES:,} messages"


@cache
def _flow() -> list[Message]:
    return messages(MESSAGES, SEED)


@cache
def _commands() -> np.ndarray:
    return to_commands(_flow(), len(opening()) + 1)


@cache
def _expected_fills() -> list[Fill]:
    return engine_fills([_opened().apply(_commands())])


def _opened() -> Engine:
    engine = Engine(LIMITS)
    engine.warm_up()
    assert not np.any(engine.apply(opening())["code"]), "the opening is accepted"
    return engine


@pytest.mark.parametrize(
    ("batch", "rounds"), [(256, 20), (1, 10)], ids=["in batches of 256", "one a call"]
)
def test_engine(benchmark: BenchmarkFixture, batch: int, rounds: int) -> None:
    """All checks, holds, fees and events, in batches and one message a call."""
    benchmark.group = GROUP
    commands = _commands()
    batches = [commands[start : start + batch] for start in range(0, MESSAGES, batch)]

    def run(engine: Engine) -> Engine:
        for one_batch in batches:
            engine.apply(one_batch)
        return engine

    engine = benchmark.pedantic(  # type: ignore[no-untyped-call]
        run, setup=lambda: ((_opened(),), {}), rounds=rounds
    )
    trades = int(engine.export().counters[0]["next_trade_id"]) - 1
    assert trades == len(_expected_fills()) > MESSAGES // 20
    note_cost(benchmark, MESSAGES)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.distribution)
def test_peer(benchmark: BenchmarkFixture, peer: PeerPackage) -> None:
    """Matching alone, through the peer's own interface; its trades are the engine's."""
    if find_spec(peer.module) is None:
        pytest.skip(f"{peer.distribution} is not installed: `make bench` installs it")
    benchmark.group = GROUP

    def run(book: Peer) -> Peer:
        book.apply(_flow())
        return book

    def set_up() -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (peer.make(),), {}

    book = benchmark.pedantic(  # type: ignore[no-untyped-call]
        run, setup=set_up, rounds=5
    )
    assert book.fills() == _expected_fills()
    benchmark.extra_info["version"] = version(peer.distribution)
    note_cost(benchmark, MESSAGES)
