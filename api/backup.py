"""A copy of a whole exchange, made while it runs, and an exchange made of such a copy.

The database is copied first and the journal after it, up to a command that is on disk by then: so
the copy is what a crash could have left, the database somewhat behind the engine, and a start from
it goes on as after any crash. The manifest is written last and has the digest of every file.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from sqlalchemy import make_url

from api.data_folder import FolderError, last_durable
from engine.archive import ARCHIVE_FOLDER
from engine.event_log import EVENTS_FOLDER, SUFFIX, name_sequence, written_bytes
from engine.journal import JOURNAL_FOLDER, open_segments, read_entries
from engine.records import EVENT, RECORD_BYTES
from engine.segments import first_sequence_of
from engine.snapshot import SNAPSHOTS_FOLDER, SnapshotError, list_snapshots, read_header
from engine.storage import DISK

MANIFEST = "manifest.json"
DATABASE = "puhui.sqlite3"
_CHUNK_BYTES = 4 << 20

OnBytes = Callable[[int], None]


class Entry(msgspec.Struct, frozen=True):
    """One file of a copy."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What a copy holds: all up to command `sequence`."""

    sequence: int
    files: dict[str, Entry]


class _Part(NamedTuple):
    """A file of the data folder, or the first bytes of one that still grows."""

    path: Path
    size: int


def back_up(data_dir: Path, database_url: str, target: Path, on_bytes: OnBytes) -> Manifest:
    """Copy the exchange in `data_dir` into `target`, a new or empty folder, and read it again.

    An empty `database_url` leaves the database out. Raises FolderError, JournalError, OSError.
    """
    _need_empty(target)
    DISK.make_folder(target)
    files: dict[str, Entry] = {}
    database = _database_path(database_url)
    if database and database.exists():
        files[DATABASE] = _copy_database(database, target / DATABASE, on_bytes)
    sequence = last_durable(data_dir)
    for part in _parts(data_dir, sequence):
        name = part.path.relative_to(data_dir)
        files[name.as_posix()] = _copy(part, target / name, on_bytes)
    manifest = Manifest(sequence, files)
    _write(target / MANIFEST, msgspec.json.encode(manifest))
    verify(target, on_bytes)
    return manifest


def restore_backup(source: Path, data_dir: Path, on_bytes: OnBytes) -> Manifest:
    """Make the data folder `data_dir`, new or empty, from a copy. Raises as `back_up`."""
    manifest = read_manifest(source)
    _need_empty(data_dir)
    DISK.make_folder(data_dir)
    for name, entry in manifest.files.items():
        copied = _copy(_Part(source / name, entry.bytes), data_dir / name, on_bytes)
        if copied != entry:
            raise FolderError(f"{source / name} is not what was copied once: its digest differs")
    _check(data_dir, manifest)
    return manifest


def verify(folder: Path, on_bytes: OnBytes) -> Manifest:
    """Read a whole copy: every byte is as it was, and every command is sound.

    Raises FolderError, JournalError, OSError.
    """
    manifest = read_manifest(folder)
    for name, entry in manifest.files.items():
        path = folder / name
        if not path.is_file() or _digest(_Part(path, path.stat().st_size), on_bytes) != entry:
            raise FolderError(f"{path} is missing or not what was copied: its digest differs")
    _check(folder, manifest)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Raises FolderError."""
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise FolderError(f"{folder} is no finished backup: {error}") from error


def total_bytes(data_dir: Path) -> int:
    """About how much there is to copy."""
    return sum(path.stat().st_size for path in data_dir.rglob("*") if path.is_file())


def _check(folder: Path, manifest: Manifest) -> None:
    segments, _ = open_segments(folder / JOURNAL_FOLDER)
    first = first_sequence_of(segments.paths()[0])
    for _ in read_entries(segments, first, manifest.sequence):
        pass
    if DATABASE in manifest.files:
        connection = sqlite3.connect(f"file:{folder / DATABASE}?mode=ro", uri=True)
        try:
            (found,) = connection.execute("PRAGMA integrity_check").fetchone()
        finally:
            connection.close()
        if found != "ok":
            raise FolderError(f"{folder / DATABASE}: {found}")


def _parts(data_dir: Path, sequence: int) -> Iterator[_Part]:
    """The files that hold all up to command `sequence`; a growing one up to there."""
    segments, _ = open_segments(data_dir / JOURNAL_FOLDER)
    paths = [path for path in segments.paths() if first_sequence_of(path) <= max(sequence, 1)]
    archived = [
        path
        for folder in (JOURNAL_FOLDER, EVENTS_FOLDER)
        for path in sorted((data_dir / folder / ARCHIVE_FOLDER).glob("*"))
    ]
    for path in [*archived, *paths[:-1]]:
        yield _Part(path, path.stat().st_size)
    ends = [entry.end for entry in read_entries(segments, max(sequence, 1), sequence)]
    yield _Part(paths[-1], ends[-1] if ends else paths[-1].stat().st_size)
    logs = sorted((data_dir / EVENTS_FOLDER).glob(f"*{SUFFIX}"))
    logs = [path for path in logs if name_sequence(path) <= sequence]
    for path in logs:
        data = DISK.map(path)
        size = written_bytes(data)
        if path == logs[-1]:
            events = np.frombuffer(data[:size], EVENT)
            size = RECORD_BYTES * bisect_right(events["sequence"], sequence)
        yield _Part(path, size)
    for path in list_snapshots(data_dir / SNAPSHOTS_FOLDER):
        try:
            header = read_header(path)
        except (SnapshotError, OSError):
            continue
        if header.sequence <= sequence:
            yield _Part(path, path.stat().st_size)
            return


def _database_path(url: str) -> Path | None:
    if not url:
        return None
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        raise FolderError(
            "the database is a server's: dump it with the server's own tool first, and then copy"
            " the rest with --without-database"
        )
    return Path(parsed.database or "")


def _copy_database(source: Path, target: Path, on_bytes: OnBytes) -> Entry:
    """One state of the database, though others write meanwhile."""
    here = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
    there = sqlite3.connect(target)
    try:
        here.backup(there)
        # As one file, which nobody has to open to be whole.
        there.execute("PRAGMA journal_mode = DELETE")
    finally:
        there.close()
        here.close()
    _sync(target)
    return _digest(_Part(target, target.stat().st_size), on_bytes)


def _copy(part: _Part, target: Path, on_bytes: OnBytes) -> Entry:
    DISK.make_folder(target.parent)
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as file:
        os.chmod(target, 0o600)
        for chunk in _chunks(part):
            digest.update(chunk)
            file.write(chunk)
            size += len(chunk)
            on_bytes(len(chunk))
        file.flush()
        os.fsync(file.fileno())
    DISK.sync_folder(target.parent)
    return Entry(size, digest.hexdigest())


def _digest(part: _Part, on_bytes: OnBytes) -> Entry:
    digest, size = hashlib.sha256(), 0
    for chunk in _chunks(part):
        digest.update(chunk)
        size += len(chunk)
        on_bytes(len(chunk))
    return Entry(size, digest.hexdigest())


def _chunks(part: _Part) -> Iterator[bytes]:
    left = part.size
    with part.path.open("rb") as file:
        while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    _sync(path)
    DISK.sync_folder(path.parent)


def _sync(path: Path) -> None:
    file = DISK.open(path)
    try:
        file.sync()
    finally:
        file.close()


def _need_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderError(f"{folder} is not an empty folder")
