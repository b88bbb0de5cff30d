"""The events that a core has written, read by whoever replays its journal beside it.

The event log is not synced as it grows. But the events before a snapshot could be made again only
by a replay from further back, so whoever makes one has them on disk first.
"""

from __future__ import annotations

import mmap
import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engine.event_log import SUFFIX, name_sequence
from engine.journal_format import ReplayDivergedError
from engine.records import EVENT, RECORD_BYTES


class RecordedEvents:
    """The log's events from one command on, to be compared with those of a replay."""

    def __init__(self, folder: Path, first_sequence: int) -> None:
        paths = sorted(folder.glob(f"*{SUFFIX}"))
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
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _read(self, paths: list[Path]) -> Iterator[np.ndarray]:
        for path in paths:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size // RECORD_BYTES * RECORD_BYTES
                if size:
                    data = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
                    self._used.append(path)
                    yield np.frombuffer(data, EVENT)
