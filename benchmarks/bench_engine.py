"""The compiled engine against the reference engine and against a bare book, in the same run.

The workload is that of benchmarks.workloads, in batches of 256. The bare book is the least that
matching in plain Python with a SortedDict can do: no accounts, no risk, no events. All three must
find the same trades, so that they are known to do the same work.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from sortedcontainers import SortedDict

from benchmarks.compiled_loop import CompiledLoop
from benchmarks.workloads import LIMITS, Message, messages, opening, to_commands
from engine.codes import CommandKind, EventKind, Side
from engine.matching.engine import Engine
from engine.matching.reference import ReferenceEngine
from engine.records import ORDER_COMMAND

MESSAGES = 20_000
BATCH = 256
SEED = 20_261_120


class _Engine(Protocol):
    def apply(self, commands: np.ndarray) -> np.ndarray: ...


class BareBook:
    """Price-time priority and nothing else: orders as [rank, quantity], queues as dicts."""

    def __init__(self) -> None:
        self.trades = 0
        self._levels: tuple[Any, Any] = (SortedDict(), SortedDict())  # rank -> {id: order}
        self._orders: dict[int, tuple[int, list[int]]] = {}

    def apply(self, flow: list[Message]) -> None:
        for kind, side, client_id, price_ticks, quantity_lots, is_ioc in flow:
            if kind != CommandKind.NEW_ORDER:
                if client_id not in self._orders:
                    continue
                self._take_off(client_id)
            if kind != CommandKind.CANCEL_ORDER:
                self._enter(side, client_id, price_ticks, quantity_lots, is_ioc)

    def _enter(self, side: int, client_id: int, price: int, quantity: int, is_ioc: bool) -> None:
        sign = 1 if side == Side.SELL else -1
        opposite = self._levels[1 - side]
        # The best opposite level is the one of the lowest rank; ours is within it at -price.
        while quantity and opposite and opposite.peekitem(0)[0] <= -sign * price:
            rank, queue = opposite.peekitem(0)
            while quantity and queue:
                maker_id, maker = next(iter(queue.items()))
                traded = min(quantity, maker[1])
                quantity -= traded
                maker[1] -= traded
                self.trades += 1
                if not maker[1]:
                    del queue[maker_id], self._orders[maker_id]
            if not queue:
                del opposite[rank]
        if quantity and not is_ioc:
            order = [sign * price, quantity]
            self._orders[client_id] = (side, order)
            self._levels[side].setdefault(sign * price, {})[client_id] = order

    def _take_off(self, client_id: int) -> None:
        side, (rank, _) = self._orders.pop(client_id)
        queue = self._levels[side][rank]
        del queue[client_id]
        if not queue:
            del self._levels[side][rank]


@cache
def _flow() -> list[Message]:
    return messages(MESSAGES, SEED)


@cache
def _batches() -> list[np.ndarray]:
    first = opening()
    commands = to_commands(_flow(), len(first) + 1)
    return [commands[start : start + BATCH] for start in range(0, MESSAGES, BATCH)]


@cache
def _expected_trades() -> int:
    book = BareBook()
    book.apply(_flow())
    return book.trades


def _run(engine: _Engine, batches: list[np.ndarray]) -> int:
    """Apply all batches; returns the number of trades."""
    return sum(
        int(np.count_nonzero(engine.apply(batch)["kind"] == EventKind.TRADE)) for batch in batches
    )


def _opened(engine: _Engine) -> _Engine:
    assert not np.any(engine.apply(opening())["code"]), "the opening is accepted"
    return engine


@pytest.mark.parametrize(
    ("make_engine", "rounds"),
    [(Engine, 20), (ReferenceEngine, 2)],
    ids=["compiled engine", "reference engine"],
)
def test_engine(
    benchmark: BenchmarkFixture, make_engine: Callable[..., _Engine], rounds: int
) -> None:
    """All checks, holds, fees and events; a fresh engine for each round."""
    benchmark.group = f"{MESSAGES:,} messages"
    _run(_opened(make_engine(LIMITS)), _batches()[:1])  # compiled code is loaded here

    def set_up() -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (_opened(make_engine(LIMITS)), _batches()), {}

    trades = benchmark.pedantic(  # type: ignore[no-untyped-call]
        _run, setup=set_up, rounds=rounds
    )
    assert trades == _expected_trades()
    _note_rate(benchmark)


@pytest.mark.parametrize("batch", [BATCH, 1], ids=["256 a call", "one a call"])
def test_engine_called_by_compiled_code(benchmark: BenchmarkFixture, batch: int) -> None:
    """The engine alone: commands are there before the start, and events stay in its buffer."""
    benchmark.group = f"{MESSAGES:,} messages"
    commands = np.concatenate(_batches()).view(ORDER_COMMAND)

    def set_up() -> tuple[tuple[Any, ...], dict[str, Any]]:
        engine = Engine(LIMITS)
        _opened(engine)
        return (CompiledLoop(engine), commands, batch), {}

    events = benchmark.pedantic(  # type: ignore[no-untyped-call]
        CompiledLoop.apply, setup=set_up, rounds=20
    )
    engine = Engine(LIMITS)
    _opened(engine)
    assert events == sum(len(engine.apply(commands)) for commands in _batches())
    _note_rate(benchmark)


def test_bare_book(benchmark: BenchmarkFixture) -> None:
    """The same flow without engine: only levels and queues."""
    benchmark.group = f"{MESSAGES:,} messages"

    def run(book: BareBook) -> int:
        book.apply(_flow())
        return book.trades

    trades = benchmark.pedantic(  # type: ignore[no-untyped-call]
        run, setup=lambda: ((BareBook(),), {}), rounds=10
    )
    assert trades == _expected_trades() > MESSAGES // 20
    _note_rate(benchmark)


def _note_rate(benchmark: BenchmarkFixture) -> None:
    """Messages a second, for the stored results."""
    if benchmark.stats is not None:
        seconds = benchmark.stats.stats.median
        benchmark.extra_info["messages_per_second"] = round(MESSAGES / seconds)
