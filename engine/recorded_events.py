"""The events that a core has written, read by whoever replays its journal beside it.

The event log is not synced as it grows. But the events before a snapshot could be made again only
by a replay from further back, so whoever makes one has them on disk first.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engine.event_log import SUFFIX, name_sequence, written_bytes
from engine.journal_format import ReplayDivergedError
from engine.records import EVENT
from engine.storage import DISK, Storage


class RecordedEvents:
    """The log's events from one command on, to be compared with those of a replay."""

    def __init__(self, folder: Path, first_sequence: int, storage: Storage = DISK) -> None:
        paths = storage.list(folder, SUFFIX)
        self._storage = storage
        start = bisect_right(paths, first_sequence, key=name_sequence) - 1
        self._used: list[Path] = []
        self._segments = self._read(paths[max(start, 0) :])
        self._rest = next(self._segments, np.zeros(0, EVENT))
        begin = bisect_left(self._rest, first_sequence, key=lambda event: int(event["sequence"]))
        self._rest = self._rest[begin:]

    @property
    def is_there(self) -> bool:
        """Whether there are any left; where the log is lost there is nothing to compare."""
        return len(self._rest) > 0

    def compare(self, events: np.ndarray) -> None:
        """Take events that follow the last ones.

        Raises ReplayDivergedError, naming the first command that gave others.
        """
        while len(events):
            if not len(self._rest):
                self._rest = next(self._segments, np.zeros(0, EVENT))
                if not len(self._rest):
                    sequence = int(events[0]["sequence"])
                    raise ReplayDivergedError(f"the event log ends before command {sequence}")
            count = min(len(events), len(self._rest))
            given, recorded = events[:count], self._rest[:count]
            if given.tobytes() != recorded.tobytes():
                given_bytes = np.frombuffer(given.tobytes(), np.uint8).reshape(count, -1)
                recorded_bytes = np.frombuffer(recorded.tobytes(), np.uint8).reshape(count, -1)
                first = np.flatnonzero((given_bytes != recorded_bytes).any(axis=1))[0]
                raise ReplayDivergedError(
                    f"command {int(given[first]['sequence'])} is the first whose events are not"
                    " those that were recorded"
                )
            events, self._rest = events[count:], self._rest[count:]

    def sync(self) -> None:
        """Have on disk what was compared. Raises OSError."""
        for path in self._used:
            file = self._storage.open(path)
            try:
                file.sync()
            finally:
                file.close()

    def _read(self, paths: list[Path]) -> Iterator[np.ndarray]:
        for path in paths:
            data = self._storage.map(path)
            # On a full disk the log goes on in its reserve, whose rest is zeros.
            size = written_bytes(data)
            if size:
                self._used.append(path)
                yield np.frombuffer(data[:size], EVENT)
