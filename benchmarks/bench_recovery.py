"""How long a start takes behind a snapshot, and what making one costs the matching beside it.

`busy`: an open market (`benchmarks.workloads`), its snapshot, and then a million messages ten times
over, with new client ids each time, in journal batches of 4,096. `large`: a million resting orders
(`benchmarks.growing_market`; 16 instruments, 10,000 accounts) and their snapshot. Imports, the
allocation of the engine and its warm-up are left out: `bench_startup` has them.
PUHUI_BENCH_COMMANDS says how many commands follow the snapshot of `busy`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from api.commands import admin_command
from benchmarks.core_process import ask, core_process
from benchmarks.growing_market import CHUNK_COMMANDS, GrowingMarket, MarketSize
from benchmarks.measure import describe_load, note_cost, percentiles
from benchmarks.workloads import messages, opening, to_commands
from engine.codes import CommandKind
from engine.event_log import EVENTS_FOLDER, EventLog
from engine.journal import JOURNAL_FOLDER, Journal
from engine.journal_format import FIRST_CHAIN
from engine.matching.engine import Engine
from engine.records import COMMAND, ORDER_COMMAND
from engine.replay import following, recover, replay
from engine.snapshot import SNAPSHOTS_FOLDER, newest_header, write_snapshot
from engine.state import EngineLimits, state_hash

COMMANDS = int(os.environ.get("PUHUI_BENCH_COMMANDS", "10_000_000"))
FLOW_COMMANDS = min(COMMANDS, 1_000_000)
SIZE = MarketSize(orders=1_000_000, instruments=16, accounts=10_000, ladder_levels=65_536)
BATCH_COMMANDS = 4_096
MATCHED_COMMANDS = 256
QUIET_BATCHES = 4_000
ROUNDS = 5
SEED = 20_261_120
GROUP = "recovery: a start, beyond imports, allocation and warm-up"


class _Folder(NamedTuple):
    data_dir: Path
    engine: Engine
    commands: int  # behind the snapshot


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> _Folder:
    """A data folder whose snapshot has almost nothing in it, and all the commands behind it."""
    data_dir = tmp_path_factory.mktemp("busy")
    return _grown(data_dir, EngineLimits(), [opening()], _flows(len(opening()) + 1))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[_Folder, GrowingMarket]:
    """A data folder whose snapshot has a million resting orders, and half a million commands."""
    data_dir = tmp_path_factory.mktemp("large")
    market = GrowingMarket(SIZE, SEED)
    flow = (market.flow(CHUNK_COMMANDS) for _ in range(8))
    return _grown(data_dir, market.limits, market.opening(), flow), market


def test_replay_alone(benchmark: BenchmarkFixture, busy: _Folder) -> None:
    """Check the journal and run the engine; nobody wants the events."""
    benchmark.group = GROUP
    journal = Journal(busy.data_dir / JOURNAL_FOLDER, EngineLimits())

    def set_up() -> tuple[tuple[Engine], dict[str, object]]:
        return (_warm_engine(journal.limits),), {}

    engine_seconds = []

    def run(engine: Engine) -> Engine:
        began = time.thread_time()
        replay(following(journal.read_entries(), 0, FIRST_CHAIN), engine, lambda _: None)
        engine_seconds.append(time.thread_time() - began)
        return engine

    engine = benchmark.pedantic(run, setup=set_up, rounds=ROUNDS)  # type: ignore[no-untyped-call]
    journal.close()
    assert engine.sequence == journal.last_sequence
    _note_commands(benchmark, engine.sequence, engine_seconds)


def test_start_with_all_commands_behind_the_snapshot(
    benchmark: BenchmarkFixture, busy: _Folder
) -> None:
    """Check and replay the journal, compare the event log with the replay."""
    _measure_start(benchmark, busy)


def test_start_without_the_event_log(benchmark: BenchmarkFixture, busy: _Folder) -> None:
    """The same from the journal's beginning; the lost log is written anew."""

    def lose() -> None:
        for path in (busy.data_dir / EVENTS_FOLDER).glob("*.events"):
            path.unlink()

    _measure_start(benchmark, busy, lose)


def test_start_with_a_large_snapshot(
    benchmark: BenchmarkFixture, large: tuple[_Folder, GrowingMarket]
) -> None:
    """Check and load a million resting orders, and replay what follows."""
    _measure_start(benchmark, large[0])


def test_matching_beside_a_snapshot(
    benchmark: BenchmarkFixture, large: tuple[_Folder, GrowingMarket]
) -> None:
    """How long batches take while the second engine makes a snapshot, and while it does not."""
    benchmark.group = "snapshot: batches of 256 beside one that is made"
    folder, market = large
    batches = iter(market.flow(1 << 22).view(COMMAND).reshape(-1, MATCHED_COMMANDS))
    quiet_ns = _matched_ns(folder.engine, islice(batches, QUIET_BATCHES), lambda: True)
    snapshots = folder.data_dir / SNAPSHOTS_FOLDER
    before = newest_header(snapshots)
    assert before
    end = before.sequence + folder.commands
    command = [sys.executable, "-m", "engine.snapshotter", str(folder.data_dir), str(end)]

    def run() -> np.ndarray:
        with subprocess.Popen(command) as process:
            times_ns = _matched_ns(folder.engine, batches, lambda: process.poll() is None)
        assert process.returncode == 0
        return times_ns

    busy_ns = benchmark.pedantic(run, rounds=1)  # type: ignore[no-untyped-call]
    made = newest_header(snapshots)
    assert made
    assert made.sequence == end
    for name, times_ns in (("quiet", quiet_ns), ("beside", busy_ns)):
        for rank, value in percentiles(times_ns).items():
            benchmark.extra_info[f"{name} {rank} ns"] = value


def test_round_trip_beside_a_snapshot(
    benchmark: BenchmarkFixture, large: tuple[_Folder, GrowingMarket]
) -> None:
    """How long a lone durable command takes, from sending to its reply, of a core process that has
    the large market, while the second engine makes a snapshot, and while it does not."""
    benchmark.group = "snapshot: lone durable commands beside one that is made"
    folder, _ = large
    snapshots = folder.data_dir / SNAPSHOTS_FOLDER
    with core_process(folder.data_dir) as connection:
        quiet_ns = _round_trips_ns(connection, lambda count: count < QUIET_BATCHES)
        before = newest_header(snapshots)
        end = int(ask(connection, _deposit())["sequence"][0])
        command = [sys.executable, "-m", "engine.snapshotter", str(folder.data_dir), str(end)]

        def run() -> np.ndarray:
            with subprocess.Popen(command) as process:
                times_ns = _round_trips_ns(connection, lambda _: process.poll() is None)
            assert process.returncode == 0
            return times_ns

        busy_ns = benchmark.pedantic(run, rounds=1)  # type: ignore[no-untyped-call]
    made = newest_header(snapshots)
    assert before
    assert made
    assert made.sequence == end > before.sequence
    for name, times_ns in (("quiet", quiet_ns), ("beside", busy_ns)):
        for rank, value_ns in percentiles(times_ns).items():
            benchmark.extra_info[f"{name} {rank} us"] = round(value_ns / 1_000, 1)
    benchmark.extra_info |= describe_load()


def _deposit() -> np.ndarray:
    return admin_command(CommandKind.DEPOSIT_CASH, account=1, amount_fen=1)


def _round_trips_ns(connection: socket.socket, goes_on: Callable[[int], bool]) -> np.ndarray:
    """How long each took, with a pause behind it as on an exchange that is not overloaded."""
    times_ns: list[int] = []
    while goes_on(len(times_ns)):
        began_ns = time.perf_counter_ns()
        ask(connection, _deposit())
        times_ns.append(time.perf_counter_ns() - began_ns)
        time.sleep(0.001)
    return np.array(times_ns)


def _flows(first_sequence: int) -> Iterator[np.ndarray]:
    """The same messages again and again, each time under client ids of their own."""
    flow = to_commands(messages(FLOW_COMMANDS, SEED), first_sequence)
    for _ in range(-(-COMMANDS // FLOW_COMMANDS)):
        yield flow.copy()
        flow["sequence"] += len(flow)
        flow["time_ns"] += len(flow)
        flow.view(ORDER_COMMAND)["client_id_low"] += 1 << 32


def _grown(
    data_dir: Path,
    limits: EngineLimits,
    opening_chunks: Iterable[np.ndarray],
    flow: Iterable[np.ndarray],
) -> _Folder:
    """The folder of a core that took all this and made a snapshot behind the opening."""
    engine = _warm_engine(limits)
    journal = Journal(data_dir / JOURNAL_FOLDER, limits)
    event_log = EventLog(data_dir / EVENTS_FOLDER)

    def take(commands: np.ndarray) -> None:
        for start in range(0, len(commands), BATCH_COMMANDS):
            batch = commands[start : start + BATCH_COMMANDS].view(COMMAND)
            journal.append(batch)
            event_log.append(engine.apply(batch))

    for chunk in opening_chunks:
        take(chunk)
    event_log.sync()
    begin, digest = engine.sequence, state_hash(engine.export())
    folder = data_dir / SNAPSHOTS_FOLDER
    write_snapshot(folder, engine.memory(), limits, begin, journal.chain, digest)
    for chunk in flow:
        take(chunk)
    journal.close()
    event_log.close()
    return _Folder(data_dir, engine, engine.sequence - begin)


def _measure_start(
    benchmark: BenchmarkFixture, folder: _Folder, prepare: Callable[[], None] = lambda: None
) -> None:
    benchmark.group = GROUP
    data_dir = folder.data_dir
    journal = Journal(data_dir / JOURNAL_FOLDER, EngineLimits())
    journal.close()

    def set_up() -> tuple[tuple[Engine], dict[str, object]]:
        prepare()
        return (_warm_engine(journal.limits),), {}

    engine_seconds = []

    def start(engine: Engine) -> Engine:
        began = time.thread_time()
        journal = Journal(data_dir / JOURNAL_FOLDER, EngineLimits())
        event_log = EventLog(data_dir / EVENTS_FOLDER)
        recover(journal, lambda _: engine, event_log, data_dir / SNAPSHOTS_FOLDER)
        journal.close()
        event_log.close()
        engine_seconds.append(time.thread_time() - began)
        return engine

    engine = benchmark.pedantic(start, setup=set_up, rounds=ROUNDS)  # type: ignore[no-untyped-call]
    assert engine.sequence == journal.last_sequence
    _note_commands(benchmark, folder.commands, engine_seconds)


def _note_commands(benchmark: BenchmarkFixture, commands: int, engine_seconds: list[float]) -> None:
    """Also the processor time of the engine's thread, which a busy machine disturbs less."""
    note_cost(benchmark, commands, "command")
    benchmark.extra_info["commands"] = commands
    benchmark.extra_info["engine's thread, s"] = round(float(np.median(engine_seconds)), 3)
    benchmark.extra_info |= describe_load()


def _matched_ns(
    engine: Engine, batches: Iterator[np.ndarray], goes_on: Callable[[], bool]
) -> np.ndarray:
    """How long each batch took, with a pause behind it as on an exchange that is not overloaded."""
    times_ns = []
    for batch in batches:
        if not goes_on():
            break
        begin_ns = time.perf_counter_ns()
        engine.apply(batch)
        times_ns.append(time.perf_counter_ns() - begin_ns)
        time.sleep(0.001)
    return np.array(times_ns)


def _warm_engine(limits: EngineLimits) -> Engine:
    engine = Engine(limits)
    engine.warm_up()
    return engine
