"""When snapshots are made: by a process of their own while the core runs, and at its clean stop."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import structlog

from engine.archivist import Archivist
from engine.event_log import EventLog
from engine.journal import Journal
from engine.journal_format import ReplayDivergedError
from engine.queries import MatchingEngine
from engine.snapshot import (
    SNAPSHOTS_FOLDER,
    SnapshotHeader,
    newest_header,
    remove_unfinished,
    write_snapshot,
)
from engine.state import state_hash
from engine.storage import DISK, Storage

# What engine.snapshotter ends with when the replay gave other events than the core.
EXIT_DIVERGED = 3
_log = structlog.get_logger("core")


class SnapshotPolicy(NamedTuple):
    """A snapshot is due after so many commands, or after any command and so many seconds."""

    commands: int = 1_000_000
    seconds: float = 600.0
    # How often it is looked at whether one is due; so also the least time between two.
    check_seconds: float = 10.0
    # Up to which command the consumers that come back have the events: whoever gives it wants the
    # segments before it archived, as far as no snapshot needs them.
    consumed: Callable[[], int] | None = None


class SnapshotKeeper:
    """Has one snapshot after another made, until it is stopped."""

    def __init__(
        self,
        data_dir: Path,
        policy: SnapshotPolicy,
        journal: Journal,
        event_log: EventLog,
        on_made: Callable[[SnapshotHeader], None],
        on_diverged: Callable[[ReplayDivergedError], None],
        storage: Storage = DISK,
    ) -> None:
        self._data_dir = data_dir
        self._policy = policy
        self._journal = journal
        self._event_log = event_log
        self._on_made = on_made
        self._on_diverged = on_diverged
        self._storage = storage
        self._archivist = policy.consumed and Archivist(
            journal, event_log, data_dir / SNAPSHOTS_FOLDER, policy.consumed, storage
        )
        self._task: asyncio.Task[None] | None = None
        newest = newest_header(data_dir / SNAPSHOTS_FOLDER)
        self.sequence = newest.sequence if newest else 0
        self.failures = 0

    def start(self) -> None:
        remove_unfinished(self._data_dir / SNAPSHOTS_FOLDER)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """One that is being made is given up."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def write_last(self, engine: MatchingEngine) -> None:
        """At a clean stop nobody waits for the engine: the snapshot is made of it directly, so the
        next start is a short one. Raises JournalFailedError."""
        journal, sequence = self._journal, self._journal.last_sequence
        if sequence == self.sequence:
            return
        digest = state_hash(engine.export())
        folder, memory = self._data_dir / SNAPSHOTS_FOLDER, engine.memory()
        try:
            self._event_log.sync()
            write_snapshot(
                folder, memory, journal.limits, sequence, journal.chain, digest, self._storage
            )
        except OSError as error:
            _log.error("core: no snapshot", sequence=sequence, why=str(error))
        else:
            journal.mark(sequence, digest)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        made_at = loop.time()
        while True:
            await asyncio.sleep(self._policy.check_seconds)
            commands = self._event_log.last_sequence - self.sequence
            is_late = loop.time() - made_at >= self._policy.seconds
            if commands >= self._policy.commands or (commands and is_late):
                await self._make(self._event_log.last_sequence)
                made_at = loop.time()

    def _start_process(self, sequence: int) -> subprocess.Popen[bytes]:
        """Not as uvloop does, which forks: with a large book the copy of the page tables alone
        stalls matching for milliseconds. This borrows the memory until the other program begins."""
        arguments = ("-m", "engine.snapshotter", str(self._data_dir), str(sequence))
        return subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE)

    async def _make(self, sequence: int) -> None:
        process = self._start_process(sequence)
        try:
            output, _ = await asyncio.to_thread(process.communicate)
        except asyncio.CancelledError:
            process.kill()
            process.wait()
            raise
        why = output.decode("utf-8", "replace").strip()
        if process.returncode == EXIT_DIVERGED:
            self._on_diverged(ReplayDivergedError(why))
        elif process.returncode:
            # The next one may succeed; until then a start takes longer.
            self.failures += 1
            _log.error("core: no snapshot", sequence=sequence, why=why, status=process.returncode)
        else:
            header = newest_header(self._data_dir / SNAPSHOTS_FOLDER)
            assert header
            self.sequence = header.sequence
            _log.info("core: snapshot made", sequence=self.sequence)
            self._on_made(header)
            if self._archivist:
                await self._archivist.put_away()
