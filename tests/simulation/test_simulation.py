"""Some hundred seeds of the simulator; `make sim` runs thousands.

A failure names its seed, and `make sim SEED=...` runs just that one again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from simulated_settlement import make_template
from simulated_storage import SimulatedDisk, SimulatedFile
from simulation import run_seed, settles

from engine.compiled import JIT
from engine.journal import Journal

SEEDS = range(200)
SEEDS_AT_ONCE = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the seeds that settle their day have their database."""
    path = tmp_path_factory.mktemp("simulation")
    make_template(path)
    return path


def _run_seeds(seeds: range, folder: Path | None = None) -> None:
    for seed in seeds:
        try:
            run_seed(seed, folder if settles(seed) else None)
        except (Exception, SystemExit) as error:
            raise AssertionError(f"make sim SEED={seed}: {error!r}") from error


@pytest.mark.parametrize("first", SEEDS[::SEEDS_AT_ONCE])
def test_every_promise_is_kept(folder: Path, first: int) -> None:
    """Whatever the disk does and wherever the core dies: nothing acknowledged is lost or doubled,
    nothing is there in part, replay agrees with the reference engine, no damage is passed over,
    and a day that is settled comes to one result in which engine, ledger and custody agree."""
    _run_seeds(range(first, first + SEEDS_AT_ONCE), folder)


def test_a_seed_is_one_run() -> None:
    """The same seed gives the same run, event by event; another one gives another."""
    digests = {seed: run_seed(seed)[0] for seed in (1, 2, 3)}
    assert len(set(digests.values())) == 3
    assert {seed: run_seed(seed)[0] for seed in digests} == digests


def test_the_seeds_reach_everything() -> None:
    """Power cuts, kills, failing and short writes, damage, and orders that were entered again."""
    ends, repeated = "", 0
    for seed in SEEDS[:20]:
        _, simulation = run_seed(seed)
        ends += " ".join(simulation.ends)
        repeated += sum(trader.repeated for trader in simulation.traders)
    assert repeated > 0
    for what in (
        *("KILL", "KILL_AFTER", "POWER_CUT", "POWER_CUT_AFTER", "Input/output error"),
        *("bytes were written", "checksum", "died again", "its time was over", "full disk"),
        *(("snapshot was made", "snapshot was taken", "snapshot was damaged") if JIT else ()),
    ):
        assert what in ends, what


BROKEN: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "the last entry is not synced again at the start": (
        *(Journal, "_sync_again"),
        lambda *_: None,
    ),
    "names are not synced": (SimulatedDisk, "sync_folder", lambda *_: None),
    "contents are not synced": (SimulatedFile, "sync", lambda *_: None),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_core_is_found(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The simulator is worth something: a mistake in what makes things durable fails a seed."""
    owner, method, broken = BROKEN[name]
    monkeypatch.setattr(owner, method, broken)
    with pytest.raises(AssertionError, match="make sim SEED="):
        _run_seeds(range(1_000, 1_150))
