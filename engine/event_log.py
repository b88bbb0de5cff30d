"""The event log: what the journal's commands caused, kept for consumers that come back.

It is derived and never synced. At each start the replay writes all events once more: while a log
from before lies ahead, what is written is compared with it instead, and the log is cut where the
two differ. Records are of fixed size and sorted by sequence, so a binary search is the index.
"""

from __future__ import annotations

import mmap
import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import structlog

from engine.records import EVENT, RECORD_BYTES

EVENTS_FOLDER = "events"
SEGMENT_BYTES = 256 << 20
# How many events one step of `read` gives, if its last command does not need more.
READ_EVENTS = 8192
SUFFIX = ".events"
_SEQUENCE_BYTES = 8
_log = structlog.get_logger("event_log")


class EventLog:
    """Events in segment files, each named after the first sequence in it."""

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.last_sequence = 0
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._paths: list[Path] = []
        self._old_paths = sorted(folder.glob(f"*{SUFFIX}"))
        self._descriptor = -1
        self._end = 0
        self._old_end = 0
        self._synced = 0  # so many of the segments will not change any more

    def resume(self, sequence: int) -> bool:
        """Take the older log's events up to command `sequence` as they are: whether it has them.

        Then go on behind them. For a fresh log, before anything is appended.
        """
        position = bisect_right(self._old_paths, sequence, key=name_sequence)
        if sequence == 0 or position == 0:
            return sequence == 0
        path = self._old_paths[position - 1]
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        size = os.fstat(descriptor).st_size
        size -= size % RECORD_BYTES
        events = np.frombuffer(os.pread(descriptor, size, 0), EVENT)
        # What was not synced may be zeros after a power cut: only ascending sequences are events.
        falls = np.flatnonzero(np.diff(events["sequence"]) < 0)
        events = events[: falls[0] + 1] if len(falls) else events
        if not len(events) or _sequence(events[-1]) < sequence:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        self._paths, self._old_paths = self._old_paths[:position], self._old_paths[position:]
        self._end = RECORD_BYTES * bisect_right(events, sequence, key=_sequence)
        self._old_end = size
        self.last_sequence = sequence
        return True

    def append(self, events: np.ndarray) -> None:
        """Add the events of whole commands that follow the last ones. Raises OSError."""
        data = np.ascontiguousarray(events).view(np.uint8).data
        self.last_sequence = int(events[-1]["sequence"])
        total = len(data)
        while data:
            if self._old_end > self._end or self._continue_old_segment(data):
                data = data[self._keep_what_agrees(data) :]
                continue
            # A segment begins with a whole command, so only the first of `data` may begin one.
            if self._descriptor < 0 or (self._end >= self._segment_bytes and len(data) == total):
                self._start_segment(_first_sequence(data))
            written = os.pwrite(self._descriptor, data, self._end)
            self._end += written
            data = data[written:]

    def trim(self) -> None:
        """The replay is over: take off whatever an older log has beyond the journal's end."""
        if self._old_end > self._end or self._old_paths:
            _log.error(
                "event log: it was ahead of the journal, and is cut; if the journal's end was not"
                " torn by a crash, acknowledged commands are missing",
                after_sequence=self.last_sequence,
            )
        self._cut()

    def read(self, first_sequence: int) -> Iterator[np.ndarray]:
        """The events of the commands from `first_sequence` to the end, whole commands at a time.

        What is appended while the caller reads is given too. Arrays are read-only.
        """
        while first_sequence <= self.last_sequence:
            position = bisect_right(self._paths, first_sequence, key=name_sequence) - 1
            events = self._map(self._paths[max(position, 0)])
            start = bisect_left(events, first_sequence, key=_sequence)
            assert start < len(events), f"no events of command {first_sequence}"
            while start < len(events):
                end = min(start + READ_EVENTS, len(events))
                last = _sequence(events[end - 1])
                end = bisect_right(events, last, lo=end, key=_sequence)
                first_sequence = last + 1
                yield events[start:end]
                start = end

    def sync(self) -> None:
        """Have all events on disk: those before a snapshot are not made again. Raises OSError."""
        for path in self._paths[self._synced :]:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        self._synced = max(len(self._paths) - 1, 0)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _map(self, path: Path) -> np.ndarray:
        is_last = path == self._paths[-1]
        with path.open("rb") as file:
            size = self._end if is_last else os.fstat(file.fileno()).st_size
            data = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        return np.frombuffer(data, EVENT)

    def _continue_old_segment(self, data: memoryview) -> bool:
        """Go on to the next segment of the older log, if it begins where `data` does."""
        if not self._old_paths:
            return False
        if name_sequence(self._old_paths[0]) != _first_sequence(data):
            self._cut()
            return False
        self.close()
        path = self._old_paths.pop(0)
        self._paths.append(path)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        size = os.fstat(self._descriptor).st_size
        self._end, self._old_end = 0, size - size % RECORD_BYTES
        return self._old_end > 0

    def _keep_what_agrees(self, data: memoryview) -> int:
        """How many bytes of `data` the older log has already; it is cut where it differs."""
        old = os.pread(self._descriptor, min(len(data), self._old_end - self._end), self._end)
        if old == bytes(data[: len(old)]):  # a memoryview would be compared byte by byte
            self._end += len(old)
            return len(old)
        _log.warning("event log: it differs from the replay, and is written anew from here")
        self._cut()
        return 0

    def _cut(self) -> None:
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, self._end)
        for path in self._old_paths:
            path.unlink()
        self._old_paths = []
        self._old_end = self._end

    def _start_segment(self, first_sequence: int) -> None:
        self.close()
        path = self._folder / f"{first_sequence:020}{SUFFIX}"
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        self._paths.append(path)
        self._end = self._old_end = 0


def _sequence(event: np.void) -> int:
    return int(event["sequence"])


def name_sequence(path: Path) -> int:
    return int(path.stem)


def _first_sequence(data: memoryview) -> int:
    return int.from_bytes(data[:_SEQUENCE_BYTES], "little")
