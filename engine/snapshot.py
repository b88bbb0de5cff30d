"""Snapshots: the engine's arrays on disk, so that a start need not replay the whole journal.

A snapshot is one file: a header block, the length of each array, and the runs of each array that
are not zero (pools are reserved far larger than they are filled). The header chains it to the
journal: the sequence of the last command in it, and the journal's chain behind that command. It is
written whole under another name, synced, and only then named; so one that bears its name was whole
once, and its digest tells whether it still is.

Nothing here knows what the arrays mean. A fingerprint of their names and layouts, and of the
engine's limits, keeps a snapshot from being taken into arrays that are others.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.orderbook.arrays import aligned_zeros
from engine.state import EngineLimits

SNAPSHOTS_FOLDER = "snapshots"
# The newest, and some before it in case it is damaged.
KEPT_SNAPSHOTS = 3
HEADER_BYTES = 4096
# What of an array is written or left out as a whole, when all of it is zero.
BLOCK_BYTES = 4096
_SUFFIX = ".snapshot"
_UNFINISHED = ".new"
_MAGIC = b"PUHUISNP"
_VERSION = 1
# magic, version, sequence, bytes behind the header, chain, state hash, fingerprint, digest of them
_HEADER = struct.Struct("<8sIxxxxqq32s32s32s32s")
_CHECKSUM = struct.Struct("<I")
# array, first byte, number of bytes
_RUN = struct.Struct("<qqq")

# Arrays by name, in an order that stays the same.
Memory = dict[str, np.ndarray]


class SnapshotError(Exception):
    """The file is damaged or no snapshot of this engine."""


class SnapshotHeader(NamedTuple):
    """Where a snapshot stands."""

    sequence: int
    body_bytes: int
    chain: bytes
    state_hash: str
    fingerprint: bytes
    digest: bytes


def fingerprint(memory: Memory, limits: EngineLimits) -> bytes:
    """What the arrays are: equal only for snapshots that can be taken over as they are."""
    layout = [(name, array.dtype.descr) for name, array in memory.items()]
    return hashlib.sha256(repr((layout, astuple(limits))).encode()).digest()


def write_snapshot(
    folder: Path, memory: Memory, limits: EngineLimits, sequence: int, chain: bytes, digest: str
) -> Path:
    """Write the arrays, which are those after command `sequence`; the new file.

    `chain` is the journal's behind that command and `digest` the state hash. Raises OSError.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{sequence:020}{_SUFFIX}"
    unfinished = path.with_suffix(f".{os.getpid()}{_UNFINISHED}")
    body = hashlib.sha256()
    try:
        with unfinished.open("xb") as file:
            file.seek(HEADER_BYTES)
            for part in _body(memory):
                body.update(part)
                file.write(part)
            header = SnapshotHeader(
                sequence,
                file.tell() - HEADER_BYTES,
                chain,
                digest,
                fingerprint(memory, limits),
                body.digest(),
            )
            file.seek(0)
            file.write(_encode(header))
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _sync_folder(folder)
    for old in list_snapshots(folder)[KEPT_SNAPSHOTS:]:
        old.unlink(missing_ok=True)
    return path


def list_snapshots(folder: Path) -> list[Path]:
    """All snapshots, newest first; whether they are sound is not asked."""
    return sorted(folder.glob(f"*{_SUFFIX}"), reverse=True)


def remove_unfinished(folder: Path) -> None:
    """Take away what a writer left that was killed. No other writer may be at work."""
    for path in folder.glob(f"*{_UNFINISHED}"):
        path.unlink(missing_ok=True)


def read_header(path: Path) -> SnapshotHeader:
    """Raises SnapshotError."""
    with path.open("rb") as file:
        data = file.read(HEADER_BYTES)
    block, checksum = data[: -_CHECKSUM.size], data[-_CHECKSUM.size :]
    if len(data) != HEADER_BYTES or _CHECKSUM.pack(zlib.crc32(block)) != checksum:
        raise SnapshotError(f"{path}: its header fails its checksum")
    magic, version, sequence, body_bytes, chain, state_hash, print_, digest = _HEADER.unpack_from(
        block
    )
    if (magic, version) != (_MAGIC, _VERSION):
        raise SnapshotError(f"{path}: it is of another format: {magic!r} version {version}")
    return SnapshotHeader(sequence, body_bytes, chain, state_hash.hex(), print_, digest)


def newest_header(folder: Path) -> SnapshotHeader | None:
    """The header of the newest snapshot that has a sound one."""
    for path in list_snapshots(folder):
        with contextlib.suppress(SnapshotError, OSError):
            return read_header(path)
    return None


def load_snapshot(path: Path, header: SnapshotHeader, memory: Memory) -> Memory:
    """The snapshot's arrays, new ones with the names and layouts of those in `memory`.

    Raises SnapshotError.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size != HEADER_BYTES + header.body_bytes:
            raise SnapshotError(f"{path}: it has {size} bytes and is cut off or too long")
        data = memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
    body = data[HEADER_BYTES:]
    if hashlib.sha256(body).digest() != header.digest:
        raise SnapshotError(f"{path}: it fails its checksum")
    rows = np.frombuffer(body, np.int64, len(memory))
    loaded = {
        name: aligned_zeros(count, array.dtype)
        for (name, array), count in zip(memory.items(), rows.tolist(), strict=True)
    }
    targets = [array.view(np.uint8) for array in loaded.values()]
    offset = rows.nbytes
    while offset < len(body):
        number, start, length = _RUN.unpack_from(body, offset)
        offset += _RUN.size
        targets[number][start : start + length] = np.frombuffer(body, np.uint8, length, offset)
        offset += length
    return loaded


def _encode(header: SnapshotHeader) -> bytes:
    fields = _HEADER.pack(
        _MAGIC,
        _VERSION,
        header.sequence,
        header.body_bytes,
        header.chain,
        bytes.fromhex(header.state_hash),
        header.fingerprint,
        header.digest,
    )
    block = fields.ljust(HEADER_BYTES - _CHECKSUM.size, b"\0")
    return block + _CHECKSUM.pack(zlib.crc32(block))


def _body(memory: Memory) -> Iterator[bytes | memoryview]:
    yield np.array([len(array) for array in memory.values()], np.int64).tobytes()
    for number, array in enumerate(memory.values()):
        data = array.view(np.uint8)
        for start, end in _runs(data):
            yield _RUN.pack(number, start, end - start)
            yield data[start:end].data


def _runs(data: np.ndarray) -> Iterator[tuple[int, int]]:
    """First byte and end of each longest run of blocks that are not all zero."""
    whole = len(data) - len(data) % BLOCK_BYTES
    used = data[:whole].reshape(-1, BLOCK_BYTES).view(np.int64).any(axis=1)
    used = np.append(used, data[whole:].any())
    edges = np.flatnonzero(np.diff(used, prepend=False, append=False))
    for first, end in edges.reshape(-1, 2).tolist():
        yield first * BLOCK_BYTES, min(end * BLOCK_BYTES, len(data))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
