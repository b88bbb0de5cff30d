"""What each command costs alone, in batches of 256 and one a call.

Workload: `benchmarks.single_commands`; the compiled engine with all checks, a fresh one for each
round. `events` says how many events a command gives, which is part of its cost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.measure import note_cost
from benchmarks.single_commands import CASES, Stage, Workload
from engine.matching.engine import Engine

COMMANDS_IN_BATCHES = 25_600
COMMANDS_ALONE = 2_560
ROUNDS = 15


def _name(case: Callable[[int], Workload]) -> str:
    return case.__name__


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_in_batches_of_256(benchmark: BenchmarkFixture, case: Callable[[int], Workload]) -> None:
    """Most of the cost is the command's own."""
    _measure(benchmark, case(COMMANDS_IN_BATCHES), 256)


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_one_a_call(benchmark: BenchmarkFixture, case: Callable[[int], Workload]) -> None:
    """Most of the cost is the call's."""
    _measure(benchmark, case(COMMANDS_ALONE), 1)


def _measure(benchmark: BenchmarkFixture, workload: Workload, batch: int) -> None:
    benchmark.group = "commands alone: " + ("one a call" if batch == 1 else f"batches of {batch}")
    events = 0

    def run(engine: Engine, batches: list[np.ndarray]) -> None:
        nonlocal events
        events = 0
        for commands in batches:
            events += len(engine.apply(commands))

    def set_up() -> tuple[tuple[Any, ...], dict[str, Any]]:
        stage = Stage(workload)
        return (stage.engine, list(stage.batches(batch))), {}

    benchmark.pedantic(  # type: ignore[no-untyped-call]
        run, setup=set_up, rounds=ROUNDS
    )
    assert events == workload.events
    count = len(workload.measured)
    benchmark.extra_info["commands"] = count
    benchmark.extra_info["events"] = round(workload.events / count, 2)
    note_cost(benchmark, count, unit="command")
