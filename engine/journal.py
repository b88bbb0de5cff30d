"""The journal: every command that was ever acknowledged, synced to disk before it was.

`append(batch) -> sequence` and `read(first_sequence)` are the whole of it for its users, so that a
replicated log can take its place. The bytes are described in engine/journal_format.py, the files
in engine/segments.py.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import structlog

from engine.archive import ARCHIVE_FOLDER
from engine.journal_format import (
    FIRST_CHAIN,
    HEADER_BYTES,
    MARK_BYTES,
    SEGMENT_HEADER_BYTES,
    Batch,
    Flaw,
    JournalDamagedError,
    JournalFailedError,
    JournalInUseError,
    Mark,
    SegmentHeader,
    chain_of,
    decode_entry,
    encode_batch,
    encode_mark,
    length_without_zeros,
    marks_in,
)
from engine.segments import Segments, first_sequence_of
from engine.state import EngineLimits
from engine.status import Durations
from engine.storage import DISK, SIZES, Bytes, File, Lock, Storage

JOURNAL_FOLDER = "journal"
# A new segment is begun when the present one is full, or its first command as old as this.
SEGMENT_NS = 24 * 3_600 * 1_000_000_000
_log = structlog.get_logger("journal")


class Journal:
    """One core's journal in a folder of its own, locked for as long as it is open.

    The engine's limits are those in the journal's first bytes; `limits` counts only for a new one.
    """

    def __init__(
        self,
        folder: Path,
        limits: EngineLimits,
        segment_bytes: int = SIZES.journal_segment_bytes,
        *,
        storage: Storage = DISK,
        reserve_bytes: int = SIZES.reserve_bytes,
    ) -> None:
        """Raises JournalInUseError, JournalDamagedError, JournalFailedError."""
        storage.make_folder(folder)
        self.limits = limits
        self.first_sequence = 1  # earlier ones are archived
        self.last_sequence = 0
        self.last_time_ns = 0
        self.syncing = Durations()
        self._folder = folder
        self._segments = Segments(storage, folder, reserve_bytes)
        self._segment_bytes = segment_bytes
        self._chain = FIRST_CHAIN
        self._has_failed = False
        self._lock: Lock | None = _lock(storage, folder)
        self._file: File | None = None
        self._end = 0
        self._capacity = 0
        self._began_ns: int | None = None  # the time of the segment's first command
        try:
            self._open_last_segment()
        except BaseException:
            self.close()
            raise

    @property
    def chain(self) -> bytes:
        """The chain behind the last command and its marks."""
        return self._chain

    def append(self, batch: np.ndarray) -> int:
        """Write a stamped, non-empty batch and sync it; the last sequence that is now safe.

        Raises JournalFailedError, once: a failed sync that is tried again may report success though
        the data is gone, so the journal takes nothing more and the process must end.
        """
        assert int(batch[0]["sequence"]) == self.last_sequence + 1
        last_sequence, time_ns = self.last_sequence + len(batch), int(batch[-1]["time_ns"])
        self._write(
            encode_batch(batch, self._chain),
            int(batch[0]["time_ns"]),
            f"commands {self.last_sequence + 1} to {last_sequence}",
        )
        if self._began_ns is None:
            self._began_ns = int(batch[0]["time_ns"])
        self.last_sequence, self.last_time_ns = last_sequence, time_ns
        return last_sequence

    def mark(self, sequence: int, state_hash: str) -> bool:
        """Note, synced, the hash of the state after command `sequence`, the last or an earlier one;
        False if there is no room behind the last in its segment. Raises JournalFailedError."""
        assert sequence <= self.last_sequence
        if self._began_ns is None or self._end + MARK_BYTES > self._capacity:
            return False
        parts = encode_mark(
            self.last_sequence, self.last_time_ns, sequence, state_hash, self._chain
        )
        self._write(parts, self._began_ns, f"the mark of command {sequence}")
        return True

    def read(self, first_sequence: int = 1) -> Iterator[np.ndarray]:
        """Every batch from the one that holds `first_sequence` to the present end, checked.

        Batches are read-only. Raises JournalDamagedError, naming the segment and the command.
        """
        entries = self.read_entries(first_sequence)
        return (entry.records for entry in entries if isinstance(entry, Batch))

    def read_marks(self, first_sequence: int = 1) -> dict[int, str]:
        """As the function does, in this journal."""
        return read_marks(self._segments, first_sequence)

    def read_entries(self, first_sequence: int = 1) -> Iterator[Batch | Mark]:
        """Batches as `read` gives them and, where they were made, the marks between them."""
        return read_entries(self._segments, first_sequence, self.last_sequence, to_end=True)

    def archive_below(self, sequence: int, *, keep: bool = True) -> int:
        """Move whole segments of commands before `sequence` into the folder `archive`, or delete
        them; how many. What is left begins with `first_sequence`. Raises OSError."""
        count = self._segments.archive_below(sequence, keep=keep)
        self.first_sequence = first_sequence_of(self._segments.paths()[0])
        return count

    def has_room(self) -> bool:
        """Whether the disk has room for orders. Where it has not, the reserve is for the rest."""
        return self._segments.reserve.is_ready()

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None
        if self._lock:
            self._lock.release()
            self._lock = None

    def _open_last_segment(self) -> None:
        self._segments.clean_up()
        paths = self._segments.paths()
        if not paths:
            try:
                self._start_segment(0)
            except OSError as error:
                raise JournalFailedError(
                    f"{self._folder}: no segment could be made: {error}"
                ) from error
            return
        path = paths[-1]
        header, data = self._segments.map(path)
        if header.first_sequence != first_sequence_of(path):
            raise JournalDamagedError(f"{path}: it begins with command {header.first_sequence}")
        self.limits = header.limits
        self.first_sequence = first_sequence_of(paths[0])
        self.last_sequence, self.last_time_ns = header.first_sequence - 1, header.last_time_ns
        self._chain = header.chain
        self._end = SEGMENT_HEADER_BYTES
        torn: list[Flaw] = []
        last = SEGMENT_HEADER_BYTES
        for found in _entries(path, data, header, torn):
            if isinstance(found, Batch):
                self.last_sequence += len(found.records)
                self.last_time_ns = int(found.records[-1]["time_ns"])
                if self._began_ns is None:
                    self._began_ns = int(found.records[0]["time_ns"])
            self._chain = found.chain
            last, self._end = self._end, found.end
        self._file = self._segments.open(path)
        self._capacity = self._file.size()
        if torn:
            self._cut(path, data[self._end :], torn[0])
        self._sync_again(bytes(data[last : self._end]), last)

    def _cut(self, path: Path, rest: memoryview, flaw: Flaw) -> None:
        """Take off an unfinished entry, which was never acknowledged.

        It is overwritten with zeros, not cut off: on a full disk its room might not come back. Its
        header goes last: so whatever stops this in between, the next start finds it torn again.
        """
        assert self._file
        _log.warning(
            "journal: torn tail cut",
            segment=str(path),
            after_sequence=self.last_sequence,
            offset=self._end,
            why=flaw.what,
        )
        zeros = bytes(length_without_zeros(rest))
        header, behind = zeros[:HEADER_BYTES], zeros[HEADER_BYTES:]
        for part, offset in ((behind, self._end + HEADER_BYTES), (header, self._end)):
            if self._file.write([part], offset) != len(part):
                raise JournalFailedError(f"{path}: the torn tail could not be cut")
        self._file.sync()

    def _sync_again(self, entry: bytes, offset: int) -> None:
        """Make durable what may only seem to be: the last entry, and the segment's name.

        A process that was killed, or whose sync failed, may have left it in the system's memory
        alone, and there even marked as written; so it is written once more.
        """
        assert self._file
        if self._file.write([entry], offset) != len(entry):
            raise JournalFailedError(f"{self._folder}: the last entry could not be synced again")
        self._file.sync()
        self._segments.sync()

    def _write(self, parts: tuple[bytes, Bytes, bytes], time_ns: int, what: str) -> None:
        """Add a batch or a mark, in a new segment if it is time for one, and sync it."""
        if self._has_failed:
            raise JournalFailedError("the journal has failed before and takes nothing more")
        size = sum(map(len, parts))
        try:
            is_old = self._began_ns is not None and time_ns - self._began_ns >= SEGMENT_NS
            if self._end + size > self._capacity or is_old:
                self._start_segment(size)
            assert self._file
            began_ns = time.perf_counter_ns()
            written = self._file.write(parts, self._end)
            if written != size:
                raise OSError(f"only {written} of {size} bytes were written")
            self._file.sync()
            self.syncing.note(time.perf_counter_ns() - began_ns)
        except OSError as error:
            self._has_failed = True
            raise JournalFailedError(
                f"{what} could not be made durable in {self._folder}: {error}"
            ) from error
        self._chain = chain_of(parts[-1])
        self._end += size

    def _start_segment(self, entry_bytes: int) -> None:
        header = SegmentHeader(self.last_sequence + 1, self._chain, self.limits, self.last_time_ns)
        size = max(self._segment_bytes, SEGMENT_HEADER_BYTES + entry_bytes)
        file, capacity = self._segments.make(header, size)
        if self._file:
            self._file.close()
        self._file, self._capacity = file, capacity
        self._end, self._began_ns = SEGMENT_HEADER_BYTES, None


def read_entries(
    segments: Segments, first_sequence: int, last_sequence: int, *, to_end: bool = False
) -> Iterator[Batch | Mark]:
    """Batches from the one that holds `first_sequence` to `last_sequence`, checked, and the marks
    between them; with `to_end` those behind the last batch too.

    Without it a core may be appending to the segments; what is asked for must be on disk already.
    Raises JournalDamagedError, naming the segment and the command.
    """
    if first_sequence > last_sequence:
        return
    paths = segments.paths()
    start = bisect_right(paths, first_sequence, key=first_sequence_of) - 1
    if start < 0:
        raise JournalDamagedError(
            f"{segments.folder}: commands from {first_sequence} on are missing; if they are"
            f" archived, move the segments in {ARCHIVE_FOLDER}/ back up and start again, else"
            " restore a backup"
        )
    expected = first_sequence_of(paths[start])
    chain: bytes | None = None
    limits: EngineLimits | None = None
    for path in paths[start:]:
        header, data = segments.map(path)
        # Before the first command there was nothing; of archived segments the chain is unknown.
        chain = chain or (FIRST_CHAIN if expected == 1 else header.chain)
        limits = limits or header.limits
        if header.first_sequence != expected or header.chain != chain:
            raise JournalDamagedError(f"{path}: commands from {expected} on are missing before it")
        if header.limits != limits:
            raise JournalDamagedError(f"{path}: its limits are not those of the journal")
        for entry in _entries(path, data, header):
            chain = entry.chain
            if isinstance(entry, Batch):
                expected += len(entry.records)
            if expected > first_sequence:
                yield entry
            if expected > last_sequence and not to_end:
                return
    if expected <= last_sequence:
        raise JournalDamagedError(f"{paths[-1].parent}: commands from {expected} on are missing")


def read_marks(segments: Segments, first_sequence: int = 1) -> dict[int, str]:
    """The state hashes that were noted behind a command from `first_sequence` on, by the command
    that each is the state after: it may be an earlier one.

    The journal around them is not checked. Raises JournalDamagedError where a segment's header is.
    """
    paths = segments.paths()
    start = bisect_right(paths, first_sequence, key=first_sequence_of) - 1
    return {
        mark.sequence: mark.state_hash
        for path in paths[max(start, 0) :]
        for last_sequence, mark in marks_in(segments.map(path)[1])
        if last_sequence >= first_sequence
    }


def open_segments(folder: Path, storage: Storage = DISK) -> tuple[Segments, EngineLimits]:
    """A journal's segments, to be read beside the core that holds it, and the engine's limits.

    Raises JournalDamagedError.
    """
    segments = Segments(storage, folder, SIZES.reserve_bytes)
    paths = segments.paths()
    if not paths:
        raise JournalDamagedError(f"{folder}: there is no segment")
    return segments, segments.map(paths[0])[0].limits


def _entries(
    path: Path, data: memoryview, header: SegmentHeader, torn: list[Flaw] | None = None
) -> Iterator[Batch | Mark]:
    """The segment's entries; a torn one at its end goes to `torn`, any other flaw is raised."""
    offset, sequence, chain = SEGMENT_HEADER_BYTES, header.first_sequence, header.chain
    while found := decode_entry(data, offset, sequence, chain):
        if isinstance(found, Flaw):
            if torn is None or not found.is_torn:
                raise JournalDamagedError(
                    f"{path}: the batch of command {sequence} at byte {offset}: {found.what}"
                )
            torn.append(found)
            return
        yield found
        if isinstance(found, Batch):
            sequence += len(found.records)
        offset, chain = found.end, found.chain


def _lock(storage: Storage, folder: Path) -> Lock:
    try:
        return storage.lock(folder / "lock")
    except BlockingIOError as error:
        raise JournalInUseError(f"another core holds the journal in {folder}") from error
