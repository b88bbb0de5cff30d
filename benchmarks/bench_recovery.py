"""How long a start takes behind a snapshot, and what making one costs the matching beside it.

Workload: a market of a million resting orders (`benchmarks.growing_market`, 16 instruments, 10,000
accounts), a snapshot of it, and then commands that enter, cancel and trade, in journal batches of
4,096. Imports, the allocation of the engine and its warm-up are left out: `bench_startup` has them.
PUHUI_BENCH_COMMANDS says how many commands follow the snapshot.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.growing_market import CHUNK_COMMANDS, GrowingMarket, MarketSize
from benchmarks.measure import note_cost, percentiles
from engine.event_log import EVENTS_FOLDER, EventLog
from engine.journal import JOURNAL_FOLDER, Journal
from engine.matching.engine import Engine
from engine.records import COMMAND
from engine.replay import recover
from engine.snapshot import SNAPSHOTS_FOLDER, list_snapshots, write_snapshot
from engine.state import EngineLimits, state_hash

COMMANDS = int(os.environ.get("PUHUI_BENCH_COMMANDS", "10_000_000"))
SIZE = MarketSize(orders=1_000_000, instruments=16, accounts=10_000, ladder_levels=65_536)
BATCH_COMMANDS = 4_096
MATCHED_COMMANDS = 256
ROUNDS = 3


class _Grown(NamedTuple):
    data_dir: Path
    market: GrowingMarket
    engine: Engine


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> _Grown:
    """A data folder with the market, its snapshot and the commands behind it; and the engine."""
    data_dir = tmp_path_factory.mktemp("recovery")
    market = GrowingMarket(SIZE, seed=20_261_120)
    engine = _warm_engine(market.limits)
    journal = Journal(data_dir / JOURNAL_FOLDER, market.limits)
    event_log = EventLog(data_dir / EVENTS_FOLDER)

    def take(commands: np.ndarray) -> None:
        for start in range(0, len(commands), BATCH_COMMANDS):
            batch = commands[start : start + BATCH_COMMANDS].view(COMMAND)
            journal.append(batch)
            event_log.append(engine.apply(batch))

    for chunk in market.opening():
        take(chunk)
    event_log.sync()
    digest = state_hash(engine.export())
    folder = data_dir / SNAPSHOTS_FOLDER
    memory, sequence = engine.memory(), engine.sequence
    write_snapshot(folder, memory, market.limits, sequence, journal.chain, digest)
    while engine.sequence < sequence + COMMANDS:
        take(market.flow(CHUNK_COMMANDS))
    journal.close()
    event_log.close()
    return _Grown(data_dir, market, engine)


def test_start_behind_a_snapshot(benchmark: BenchmarkFixture, grown: _Grown) -> None:
    """Load the snapshot, check and replay the journal, compare the event log with the replay."""
    _measure(benchmark, grown.data_dir, grown.engine)


def test_start_without_the_event_log(benchmark: BenchmarkFixture, grown: _Grown) -> None:
    """The same from the journal's beginning, the lost log being written anew."""

    def lose() -> None:
        for path in (grown.data_dir / EVENTS_FOLDER).glob("*.events"):
            path.unlink()

    _measure(benchmark, grown.data_dir, grown.engine, lose)


def test_matching_beside_a_snapshot(benchmark: BenchmarkFixture, grown: _Grown) -> None:
    """The longest that a batch takes while the second engine works, and while it does not."""
    benchmark.group = "snapshot: the longest batch beside it"
    batches = grown.market.flow(1 << 20).reshape(-1, MATCHED_COMMANDS)
    half = len(batches) // 2
    quiet_ns = _matched_ns(grown.engine, iter(batches[:half]), lambda: True)
    arguments = ["-m", "engine.snapshotter", str(grown.data_dir), str(_last(grown))]

    def run() -> np.ndarray:
        with subprocess.Popen([sys.executable, *arguments]) as process:
            times_ns = _matched_ns(
                grown.engine, iter(batches[half:]), lambda: process.poll() is None
            )
        assert process.returncode == 0
        return times_ns

    before = list_snapshots(grown.data_dir / SNAPSHOTS_FOLDER)
    busy_ns = benchmark.pedantic(run, rounds=1)  # type: ignore[no-untyped-call]
    assert len(list_snapshots(grown.data_dir / SNAPSHOTS_FOLDER)) == len(before) + 1
    for name, times_ns in (("quiet", quiet_ns), ("beside", busy_ns)):
        for rank, value in percentiles(times_ns).items():
            benchmark.extra_info[f"{name} {rank} ns"] = value


def _last(grown: _Grown) -> int:
    journal = Journal(grown.data_dir / JOURNAL_FOLDER, EngineLimits())
    journal.close()
    return journal.last_sequence


def _matched_ns(engine: Engine, batches: Iterator[np.ndarray], goes_on: object) -> np.ndarray:
    """How long each batch took; a pause as long after it, as an exchange that is half busy has."""
    times_ns = []
    for batch in batches:
        if not goes_on():  # type: ignore[operator]
            break
        begin_ns = time.perf_counter_ns()
        engine.apply(batch.view(COMMAND))
        times_ns.append(time.perf_counter_ns() - begin_ns)
        time.sleep(0.001)
    return np.array(times_ns)


def _measure(
    benchmark: BenchmarkFixture,
    data_dir: Path,
    expected: Engine,
    prepare: object = lambda: None,
) -> None:
    benchmark.group = "recovery: a start, beyond imports and warm-up"
    digest = state_hash(expected.export())
    replayed = 0

    def set_up() -> tuple[tuple[Engine], dict[str, object]]:
        prepare()  # type: ignore[operator]
        return (_warm_engine(EngineLimits(**_limits(data_dir))),), {}

    def start(engine: Engine) -> Engine:
        journal = Journal(data_dir / JOURNAL_FOLDER, EngineLimits())
        event_log = EventLog(data_dir / EVENTS_FOLDER)
        recover(journal, lambda _: engine, event_log, data_dir / SNAPSHOTS_FOLDER)
        journal.close()
        event_log.close()
        return engine

    engine = benchmark.pedantic(  # type: ignore[no-untyped-call]
        start, setup=set_up, rounds=ROUNDS
    )
    assert state_hash(engine.export()) == digest
    note_cost(benchmark, COMMANDS, "command")
    benchmark.extra_info["commands"] = COMMANDS + replayed


def _limits(data_dir: Path) -> dict[str, int]:
    journal = Journal(data_dir / JOURNAL_FOLDER, EngineLimits())
    journal.close()
    return vars(journal.limits)


def _warm_engine(limits: EngineLimits) -> Engine:
    engine = Engine(limits)
    engine.warm_up()
    return engine
