"""The journal: every command that was ever acknowledged, synced to disk before it was.

`append(batch) -> sequence` and `read(first_sequence)` are the whole of it for its users, so that a
replicated log can take its place. The bytes are described in engine/journal_format.py.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import structlog

from engine.journal_format import (
    FIRST_CHAIN,
    SEGMENT_HEADER_BYTES,
    Batch,
    Flaw,
    JournalDamagedError,
    JournalFailedError,
    JournalInUseError,
    SegmentHeader,
    batch_bytes,
    chain_of,
    decode_batch,
    decode_segment_header,
    encode_batch,
    encode_segment_header,
)
from engine.state import EngineLimits

JOURNAL_FOLDER = "journal"
SEGMENT_BYTES = 64 << 20
_SUFFIX = ".journal"
_log = structlog.get_logger("journal")


class Journal:
    """One core's journal in a folder of its own, locked for as long as it is open.

    The engine's limits are those in the journal's first bytes; `limits` counts only for a new one.
    """

    def __init__(
        self, folder: Path, limits: EngineLimits, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        """Raises JournalInUseError, JournalDamagedError, JournalFailedError."""
        _make_folder(folder)
        self.limits = limits
        self.last_sequence = 0
        self.last_time_ns = 0
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._chain = FIRST_CHAIN
        self._has_failed = False
        self._lock = _lock(folder / "lock")
        self._descriptor = -1
        self._end = 0
        self._capacity = 0
        try:
            self._open_last_segment()
        except BaseException:
            self.close()
            raise

    @property
    def chain(self) -> bytes:
        """The chain behind the last command."""
        return self._chain

    def append(self, batch: np.ndarray) -> int:
        """Write a stamped, non-empty batch and sync it; the last sequence that is now safe.

        Raises JournalFailedError, once: a failed sync that is tried again may report success though
        the data is gone, so the journal takes nothing more and the process must end.
        """
        if self._has_failed:
            raise JournalFailedError("the journal has failed before and takes nothing more")
        assert int(batch[0]["sequence"]) == self.last_sequence + 1
        try:
            size = batch_bytes(len(batch))
            if self._end + size > self._capacity:
                self._start_segment(size)
            parts = encode_batch(batch, self._chain)
            written = os.pwritev(self._descriptor, parts, self._end)
            if written != size:
                raise OSError(f"only {written} of {size} bytes were written")
            os.fdatasync(self._descriptor)
        except OSError as error:
            self._has_failed = True
            raise JournalFailedError(
                f"commands {self.last_sequence + 1} to {self.last_sequence + len(batch)} could not"
                f" be made durable in {self._folder}: {error}"
            ) from error
        self._chain = chain_of(parts[2])
        self._end += size
        self.last_sequence += len(batch)
        self.last_time_ns = int(batch[-1]["time_ns"])
        return self.last_sequence

    def read(self, first_sequence: int = 1) -> Iterator[np.ndarray]:
        """Every batch from the one that holds `first_sequence` to the present end, checked.

        Batches are read-only. Raises JournalDamagedError, naming the segment and the command.
        """
        for batch in read_batches(self._folder, first_sequence, self.last_sequence, self.limits):
            yield batch.records

    def read_batches(self, first_sequence: int = 1) -> Iterator[Batch]:
        """`read`, with the chain behind each batch."""
        return read_batches(self._folder, first_sequence, self.last_sequence, self.limits)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _open_last_segment(self) -> None:
        for unfinished in self._folder.glob("*.new"):
            unfinished.unlink()
        paths = _segments(self._folder)
        if not paths:
            try:
                self._start_segment(0)
            except OSError as error:
                raise JournalFailedError(
                    f"{self._folder}: no segment could be made: {error}"
                ) from error
            return
        path = paths[-1]
        header, data = _map_segment(path)
        if header.first_sequence != _first_sequence(path):
            raise JournalDamagedError(f"{path}: it begins with command {header.first_sequence}")
        self.limits = header.limits
        self.last_sequence = header.first_sequence - 1
        self._chain = header.chain
        self._end = SEGMENT_HEADER_BYTES
        torn: list[Flaw] = []
        for found in _batches(path, data, header, torn):
            self.last_sequence += len(found.records)
            self.last_time_ns = int(found.records[-1]["time_ns"])
            self._chain = found.chain
            self._end = found.end
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        if torn:
            self._cut(path, torn[0])
        self._capacity = max(os.fstat(self._descriptor).st_size, self._segment_bytes)
        os.posix_fallocate(self._descriptor, 0, self._capacity)

    def _cut(self, path: Path, flaw: Flaw) -> None:
        """Take off an unfinished batch, which was never acknowledged."""
        _log.warning(
            "journal: torn tail cut",
            segment=str(path),
            after_sequence=self.last_sequence,
            offset=self._end,
            why=flaw.what,
        )
        os.ftruncate(self._descriptor, self._end)
        os.fsync(self._descriptor)

    def _start_segment(self, first_batch_bytes: int) -> None:
        """Make the next segment, whole and named only once it is safe on disk."""
        path = self._folder / f"{self.last_sequence + 1:020}{_SUFFIX}"
        unfinished = path.with_suffix(".new")
        capacity = max(self._segment_bytes, SEGMENT_HEADER_BYTES + first_batch_bytes)
        header = SegmentHeader(self.last_sequence + 1, self._chain, self.limits)
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, capacity)
            if os.pwrite(descriptor, encode_segment_header(header), 0) != SEGMENT_HEADER_BYTES:
                raise OSError("a segment's header was written in part")
            os.fsync(descriptor)
            os.rename(unfinished, path)
            _sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            raise
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = descriptor
        self._end = SEGMENT_HEADER_BYTES
        self._capacity = capacity


def read_batches(
    folder: Path, first_sequence: int, last_sequence: int, limits: EngineLimits
) -> Iterator[Batch]:
    """Every batch from the one that holds `first_sequence` to `last_sequence`, checked.

    A core may be appending to the journal meanwhile; `last_sequence` must be on disk already.
    Raises JournalDamagedError, naming the segment and the command.
    """
    if first_sequence > last_sequence:
        return
    paths = _segments(folder)
    start = bisect_right(paths, max(first_sequence, 1), key=_first_sequence) - 1
    expected, chain = (1, FIRST_CHAIN) if start <= 0 else (None, b"")
    for path in paths[max(start, 0) :]:
        header, data = _map_segment(path)
        if expected is None:
            expected, chain = _first_sequence(path), header.chain
        if header.first_sequence != expected or header.chain != chain:
            raise JournalDamagedError(f"{path}: commands from {expected} on are missing before it")
        if header.limits != limits:
            raise JournalDamagedError(f"{path}: its limits are not those of the first segment")
        for batch in _batches(path, data, header):
            expected, chain = expected + len(batch.records), batch.chain
            if expected > first_sequence:
                yield batch
            if expected > last_sequence:
                return
    raise JournalDamagedError(f"{folder}: commands from {expected} on are missing")


def read_limits(folder: Path) -> EngineLimits:
    """The engine limits in the journal's first bytes. Raises JournalDamagedError."""
    paths = _segments(folder)
    if not paths:
        raise JournalDamagedError(f"{folder}: there is no segment")
    return _map_segment(paths[0])[0].limits


def _batches(
    path: Path, data: memoryview, header: SegmentHeader, torn: list[Flaw] | None = None
) -> Iterator[Batch]:
    """The segment's batches; a torn one at its end goes to `torn`, any other flaw is raised."""
    offset, sequence, chain = SEGMENT_HEADER_BYTES, header.first_sequence, header.chain
    while found := decode_batch(data, offset, sequence, chain):
        if isinstance(found, Flaw):
            if torn is None or not found.is_torn:
                raise JournalDamagedError(
                    f"{path}: the batch of command {sequence} at byte {offset}: {found.what}"
                )
            torn.append(found)
            return
        yield found
        offset, sequence, chain = found.end, sequence + len(found.records), found.chain


def _map_segment(path: Path) -> tuple[SegmentHeader, memoryview]:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < SEGMENT_HEADER_BYTES:
            raise JournalDamagedError(f"{path}: it is shorter than its header")
        data = memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
    try:
        return decode_segment_header(bytes(data[:SEGMENT_HEADER_BYTES])), data
    except JournalDamagedError as error:
        raise JournalDamagedError(f"{path}: {error}") from error


def _segments(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{_SUFFIX}"))


def _first_sequence(path: Path) -> int:
    try:
        return int(path.stem)
    except ValueError as error:
        raise JournalDamagedError(f"{path}: a segment's name is its first sequence") from error


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise JournalInUseError(f"another core holds the journal in {path.parent}") from error
    return descriptor


def _make_folder(folder: Path) -> None:
    """Make a folder that a power cut cannot take away again, and those above it."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
