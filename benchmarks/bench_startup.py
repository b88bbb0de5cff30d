"""How long it takes from nothing to an engine that has answered its first batch.

Each round is a new process with the engine's usual limits. `cold` compiles everything, as the first
start after an installation or an edit of the engine does; `cached` finds the machine code on disk,
as every start after that. The stored steps are medians over the rounds.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.start_up import STEPS, started

CACHED_ROUNDS = 7


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty one; the cold start fills it for the cached ones."""
    return tmp_path_factory.mktemp("machine-code")


def test_cold(benchmark: BenchmarkFixture, cache_folder: Path) -> None:
    """One start: compiling takes so long that repeating it would tell little more."""
    assert not list(cache_folder.iterdir())
    _measure(benchmark, cache_folder, rounds=1)
    assert _machine_code(cache_folder), "the next start finds it"


def test_cached(benchmark: BenchmarkFixture, cache_folder: Path) -> None:
    """The very machine code of the cold start."""
    if not _machine_code(cache_folder):
        started(cache_folder)
    before = _machine_code(cache_folder)
    _measure(benchmark, cache_folder, rounds=CACHED_ROUNDS)
    assert _machine_code(cache_folder) == before, "nothing was compiled again"


def _machine_code(cache_folder: Path) -> dict[Path, int]:
    """Each file of machine code, and when it was written."""
    return {path: path.stat().st_mtime_ns for path in cache_folder.rglob("*.nbc")}


def _measure(benchmark: BenchmarkFixture, cache_folder: Path, rounds: int) -> None:
    benchmark.group = "start-up: a process until its first batch is answered"
    starts: list[dict[str, float]] = []

    def run() -> None:
        starts.append(started(cache_folder))

    benchmark.pedantic(run, rounds=rounds)  # type: ignore[no-untyped-call]
    for step in STEPS:
        milliseconds = median(start[step] for start in starts) * 1_000
        benchmark.extra_info[f"{step} ms"] = round(milliseconds, 1)
