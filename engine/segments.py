"""The journal's segment files: their names, their headers, how one is made and put away."""

from __future__ import annotations

from pathlib import Path

from engine.archive import archive_below
from engine.journal_format import (
    SEGMENT_HEADER_BYTES,
    JournalDamagedError,
    SegmentHeader,
    decode_segment_header,
    encode_segment_header,
)
from engine.reserve import Reserve
from engine.storage import File, Storage, is_out_of_space

_SUFFIX = ".journal"
_UNFINISHED_SUFFIX = ".new"


class Segments:
    """The segments in a folder, each named after the first sequence in it."""

    def __init__(self, storage: Storage, folder: Path, reserve_bytes: int) -> None:
        self._storage = storage
        self.folder = folder
        self.reserve = Reserve(storage, folder, reserve_bytes)

    def clean_up(self) -> None:
        """Forget what a crash left half made; find the reserve, or make it."""
        for unfinished in self._storage.list(self.folder, _UNFINISHED_SUFFIX):
            self._storage.unlink(unfinished)
        self.reserve.find()

    def paths(self) -> list[Path]:
        return self._storage.list(self.folder, _SUFFIX)

    def sync(self) -> None:
        """Make the segments' names durable."""
        self._storage.sync_folder(self.folder)

    def open(self, path: Path) -> File:
        return self._storage.open(path)

    def map(self, path: Path) -> tuple[SegmentHeader, memoryview]:
        """Raises JournalDamagedError."""
        data = self._storage.map(path)
        if len(data) < SEGMENT_HEADER_BYTES:
            raise JournalDamagedError(f"{path}: it is shorter than its header")
        try:
            return decode_segment_header(bytes(data[:SEGMENT_HEADER_BYTES])), data
        except JournalDamagedError as error:
            raise JournalDamagedError(f"{path}: {error}") from error

    def make(self, header: SegmentHeader, capacity_bytes: int) -> tuple[File, int]:
        """A segment and its capacity: made whole, and named only once it is safe on disk.

        On a full disk it is the reserve, which may be smaller. Raises OSError.
        """
        path = self.folder / f"{header.first_sequence:020}{_SUFFIX}"
        unfinished = path.with_suffix(_UNFINISHED_SUFFIX)
        file, capacity_bytes = self._make_room(unfinished, capacity_bytes)
        try:
            if file.write([encode_segment_header(header)], 0) != SEGMENT_HEADER_BYTES:
                raise OSError("a segment's header was written in part")
            file.sync()
            self._storage.rename(unfinished, path)
            self._storage.sync_folder(self.folder)
        except OSError:
            file.close()
            raise
        return file, capacity_bytes

    def archive_below(self, sequence: int, *, keep: bool) -> int:
        """Take away the segments whose commands all come before `sequence`; how many they were."""
        return archive_below(self._storage, self.paths(), sequence, keep=keep)

    def _make_room(self, path: Path, capacity_bytes: int) -> tuple[File, int]:
        self._storage.unlink(path)
        try:
            file = self._storage.create(path)
            try:
                file.preallocate(capacity_bytes)
            except OSError:
                file.close()
                raise
        except OSError as error:
            if not is_out_of_space(error) or not self.reserve.take(path):
                raise
            return self._storage.open(path), self.reserve.size_bytes
        return file, capacity_bytes


def first_sequence_of(path: Path) -> int:
    """Raises JournalDamagedError."""
    try:
        return int(path.stem)
    except ValueError as error:
        raise JournalDamagedError(f"{path}: a segment's name is its first sequence") from error
