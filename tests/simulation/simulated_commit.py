"""The journal's syncing thread without a thread: batches are synced when the simulation says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import numpy as np
from simulated_clock import SimulatedLoop

import engine.core
from engine.core import LONE_COMMANDS
from engine.group_commit import GroupCommit
from engine.journal_format import JournalError


class SimulatedCommit(GroupCommit):
    """Syncs a batch after a while; there is no thread, so nothing depends on which one is first."""

    def __init__(self, loop: SimulatedLoop, random: Random, *arguments: object) -> None:
        self._loop, self._random = loop, random
        self._journal, self._on_synced, self._on_failed = arguments  # type: ignore[assignment]
        self._batches: list[np.ndarray] = []
        self.is_alive = True

    def put(self, batch: np.ndarray) -> None:
        self._batches.append(batch)
        if len(self._batches) == 1:
            self._loop.call_later(self._random.expovariate(1 / 0.001), self._sync)

    def stop(self) -> None:
        while self._batches:
            self._sync()

    def _sync(self) -> None:
        if not self.is_alive or not self._batches:
            return
        batch = self._batches.pop(0)
        if self._batches:
            self._loop.call_later(self._random.expovariate(1 / 0.001), self._sync)
        try:
            self._on_synced(self._journal.append(batch))
        except JournalError as error:
            self.is_alive = False
            self._on_failed(error)


@contextmanager
def lone_commands(count: int) -> Iterator[None]:
    """Whether the core syncs small batches by itself, or all of them beside its loop."""
    engine.core.LONE_COMMANDS = count
    try:
        yield
    finally:
        engine.core.LONE_COMMANDS = LONE_COMMANDS
