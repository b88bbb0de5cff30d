"""Puts away what neither a start nor a consumer needs, where that is wanted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import structlog

from engine.event_log import EventLog
from engine.journal import Journal
from engine.snapshot import KEPT_SNAPSHOTS, SnapshotError, list_snapshots, read_header
from engine.storage import DISK, Storage

_log = structlog.get_logger("core")


class Archivist:
    """Asked after each snapshot. `consumed` says up to which command all consumers that come back
    have the events."""

    def __init__(
        self,
        journal: Journal,
        event_log: EventLog,
        snapshots: Path,
        consumed: Callable[[], int],
        storage: Storage = DISK,
    ) -> None:
        self._journal = journal
        self._event_log = event_log
        self._snapshots = snapshots
        self._consumed = consumed
        self._storage = storage

    async def put_away(self) -> None:
        """What cannot be put away now stays for the next time."""
        # A database may take its time, and a folder's sync does.
        consumed = await asyncio.to_thread(self._consumed)
        below = min(consumed, covered_sequence(self._snapshots, self._storage))
        try:
            segments = await asyncio.to_thread(self._journal.archive_below, below)
            segments += self._event_log.archive_below(below)
        except OSError as error:
            _log.error("core: segments could not be archived", why=str(error))
        else:
            if segments:
                _log.info("core: segments archived", segments=segments, below_sequence=below)


def covered_sequence(snapshots: Path, storage: Storage = DISK) -> int:
    """No kept snapshot is of an earlier command; 0 while there are fewer than are to be kept."""
    paths = list_snapshots(snapshots, storage)
    if len(paths) >= KEPT_SNAPSHOTS:
        with contextlib.suppress(SnapshotError, OSError):
            return min(read_header(path, storage).sequence for path in paths)
    return 0
