"""The event log: what the journal's commands caused, kept for consumers that come back.

It is derived and never synced. At each start the replay writes all events once more: while a log
from before lies ahead, what is written is compared with it instead, and the log is cut where the
two differ. Records are of fixed size and sorted by sequence, so a binary search is the index.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import structlog

from engine.archive import archive_below
from engine.records import EVENT, RECORD_BYTES
from engine.reserve import Reserve
from engine.storage import DISK, SIZES, File, Storage, is_out_of_space

EVENTS_FOLDER = "events"
# How many events one step of `read` gives, if its last command does not need more.
READ_EVENTS = 8192
SUFFIX = ".events"
_SEQUENCE_BYTES = 8
_log = structlog.get_logger("event_log")


class EventLog:
    """Events in segment files, each named after the first sequence in it."""

    def __init__(
        self,
        folder: Path,
        segment_bytes: int = SIZES.event_segment_bytes,
        *,
        storage: Storage = DISK,
        reserve_bytes: int = SIZES.reserve_bytes,
    ) -> None:
        """Raises OSError."""
        storage.make_folder(folder)
        self.last_sequence = 0
        self._folder = folder
        self._storage = storage
        self._reserve = Reserve(storage, folder, reserve_bytes)
        self._reserve.find()
        self._segment_bytes = segment_bytes
        self._paths: list[Path] = []
        self._old_paths = storage.list(folder, SUFFIX)
        self._file: File | None = None
        self._end = 0
        self._old_end = 0
        self.first_difference = 0  # the first command whose older events were others; 0: none
        self._synced = 0  # so many of the segments will not change any more

    @property
    def first_sequence(self) -> int:
        """The first command whose events are here; those of earlier ones are archived."""
        return name_sequence(self._paths[0]) if self._paths else 1

    def resume(self, sequence: int) -> bool:
        """Take the older log's events up to command `sequence` as they are: whether it has them.

        Then go on behind them. For a fresh log, before anything is appended.
        """
        position = bisect_right(self._old_paths, sequence, key=name_sequence)
        if sequence == 0 or position == 0:
            return sequence == 0
        path = self._old_paths[position - 1]
        data = self._storage.map(path)
        size = written_bytes(data)
        events = np.frombuffer(data[:size], EVENT)
        if not size or _sequence(events[-1]) < sequence:
            return False
        self._file = self._storage.open(path)
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
            is_full = self._end >= self._segment_bytes and len(data) == total
            try:
                if self._file is None or is_full:
                    self._start_segment(_first_sequence(data))
                assert self._file
                written = self._file.write([data], self._end)
            except OSError as error:
                if not is_out_of_space(error):
                    raise
                data = self._go_on_in_the_reserve(data, error)
                continue
            self._end += written
            data = data[written:]

    def has_room(self) -> bool:
        """Whether the disk has room for the events of orders. Where it has not, the reserve is for
        those of the rest."""
        return self._reserve.is_ready()

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
            file = self._storage.open(path)
            try:
                file.sync()
            finally:
                file.close()
        self._synced = max(len(self._paths) - 1, 0)

    def archive_below(self, sequence: int) -> int:
        """Put whole segments of commands before `sequence` into the folder `archive`; how many.

        Raises OSError; what was put away by then is not here any more.
        """
        before = len(self._paths)
        try:
            archive_below(self._storage, self._paths, sequence)
        finally:
            there = set(self._storage.list(self._folder, SUFFIX))
            self._paths = [path for path in self._paths if path in there]
            count = before - len(self._paths)
            self._synced = max(self._synced - count, 0)
        return count

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def _map(self, path: Path) -> np.ndarray:
        data = self._storage.map(path)
        return np.frombuffer(data[: self._end] if path == self._paths[-1] else data, EVENT)

    def _continue_old_segment(self, data: memoryview) -> bool:
        """Go on to the next segment of the older log, if it begins where `data` does."""
        if not self._old_paths:
            return False
        if name_sequence(self._old_paths[0]) != _first_sequence(data):
            self._cut()
            return False
        self._finish()
        path = self._old_paths.pop(0)
        self._paths.append(path)
        self._file = self._storage.open(path)
        self._end, self._old_end = 0, written_bytes(self._storage.map(path))
        return self._old_end > 0

    def _keep_what_agrees(self, data: memoryview) -> int:
        """How many bytes of `data` the older log has already; it is cut where it differs."""
        assert self._file
        old = self._file.read(min(len(data), self._old_end - self._end), self._end)
        differs = np.frombuffer(old, np.uint8) != np.frombuffer(data[: len(old)], np.uint8)
        place = int(differs.argmax())
        if not differs[place]:
            self._end += len(old)
            return len(old)
        begin = place - (self._end + place) % RECORD_BYTES
        self.first_difference = self.first_difference or _first_sequence(data[max(begin, 0) :])
        _log.warning(
            "event log: it differs from the replay, and is written anew from here",
            sequence=self.first_difference,
        )
        self._cut()
        return 0

    def _cut(self) -> None:
        if self._file and self._old_end > self._end:
            self._file.truncate(self._end)
        for path in self._old_paths:
            self._storage.unlink(path)
        self._old_paths = []
        self._old_end = self._end

    def _start_segment(self, first_sequence: int) -> None:
        self._finish()
        path = self._path(first_sequence)
        self._storage.unlink(path)
        self._file = self._storage.create(path)
        self._paths.append(path)
        self._end = self._old_end = 0

    def _go_on_in_the_reserve(self, data: memoryview, error: OSError) -> memoryview:
        """Begin a segment where the disk has room for one; what it is to begin with.

        That is `data` and, as a segment begins with a whole command, what was written already of
        its first one. Raises `error` if there is no reserve.
        """
        end = self._end if self._file else 0
        begin = end - end % RECORD_BYTES
        rest = self._written(begin, end) + bytes(data)
        sequence, whole = _first_sequence(rest), begin
        while begin and _first_sequence(self._written(begin - RECORD_BYTES, begin)) == sequence:
            begin -= RECORD_BYTES
        rest = self._written(begin, whole) + rest
        path = self._path(sequence)
        if self._file:
            self._end = begin
            self._finish()
            if self._paths[-1] == path:
                self._paths.pop()
        if not self._reserve.take(path):
            raise error
        _log.warning("event log: the disk is full; the reserve is used", sequence=sequence)
        self._file = self._storage.open(path)
        self._paths.append(path)
        self._end = self._old_end = 0
        return memoryview(rest)

    def _written(self, start: int, end: int) -> bytes:
        return self._file.read(end - start, start) if self._file and end > start else b""

    def _finish(self) -> None:
        """The segment is complete: give up what it has room for beyond its end."""
        if self._file:
            self._file.truncate(self._end)
        self.close()

    def _path(self, first_sequence: int) -> Path:
        return self._folder / f"{first_sequence:020}{SUFFIX}"


def _sequence(event: np.void) -> int:
    return int(event["sequence"])


def name_sequence(path: Path) -> int:
    return int(path.stem)


def written_bytes(data: memoryview) -> int:
    """Where the events end: behind them are zeros of what was once the reserve, or whatever a power
    cut has left of bytes that were not synced."""
    events = np.frombuffer(data[: len(data) - len(data) % RECORD_BYTES], EVENT)
    sequences = events["sequence"]
    falls = np.flatnonzero(np.diff(sequences, prepend=1) < 0)
    return RECORD_BYTES * (int(falls[0]) if len(falls) else len(events))


def _first_sequence(data: memoryview | bytes) -> int:
    return int.from_bytes(data[:_SEQUENCE_BYTES], "little")
