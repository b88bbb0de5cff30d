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
from engine.storage import DISK, Bytes, File, Storage

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
    folder: Path,
    memory: Memory,
    limits: EngineLimits,
    sequence: int,
    chain: bytes,
    digest: str,
    storage: Storage = DISK,
) -> Path:
    """Write the arrays, which are those after command `sequence`; the new file.

    `chain` is the journal's behind that command and `digest` the state hash. Raises OSError.
    """
    storage.make_folder(folder)
    path = folder / f"{sequence:020}{_SUFFIX}"
    unfinished = path.with_suffix(f".{os.getpid()}{_UNFINISHED}")
    storage.unlink(unfinished)
    file = storage.create(unfinished)
    try:
        body, end = hashlib.sha256(), HEADER_BYTES
        for part in _body(memory):
            body.update(part)
            end += _write(file, part, end)
        print_ = fingerprint(memory, limits)
        header = SnapshotHeader(sequence, end - HEADER_BYTES, chain, digest, print_, body.digest())
        _write(file, _encode(header), 0)
        file.sync()
        storage.rename(unfinished, path)
    except OSError:
        storage.unlink(unfinished)
        raise
    finally:
        file.close()
    storage.sync_folder(folder)
    for old in list_snapshots(folder, storage)[KEPT_SNAPSHOTS:]:
        storage.unlink(old)
    return path


def list_snapshots(folder: Path, storage: Storage = DISK) -> list[Path]:
    """All snapshots, newest first; whether they are sound is not asked."""
    return storage.list(folder, _SUFFIX)[::-1]


def remove_unfinished(folder: Path, storage: Storage = DISK) -> None:
    """Take away what a writer left that was killed. No other writer may be at work."""
    for path in storage.list(folder, _UNFINISHED):
        storage.unlink(path)


def read_header(path: Path, storage: Storage = DISK) -> SnapshotHeader:
    """Raises SnapshotError, OSError."""
    return _decode(path, storage.map(path))


def newest_header(folder: Path, storage: Storage = DISK) -> SnapshotHeader | None:
    """The header of the newest snapshot that has a sound one."""
    for path in list_snapshots(folder, storage):
        with contextlib.suppress(SnapshotError, OSError):
            return read_header(path, storage)
    return None


def load_snapshot(
    path: Path, header: SnapshotHeader, memory: Memory, storage: Storage = DISK
) -> Memory:
    """The snapshot's arrays, new ones with the names and layouts of those in `memory`.

    Raises SnapshotError, OSError.
    """
    data = storage.map(path)
    if len(data) != HEADER_BYTES + header.body_bytes:
        raise SnapshotError(f"{path}: it has {len(data)} bytes and is cut off or too long")
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


def _write(file: File, part: Bytes, offset: int) -> int:
    """All of `part`, however little the disk takes at a time; how many bytes it has."""
    rest = memoryview(part)
    while rest:
        written = file.write([rest], offset)
        offset, rest = offset + written, rest[written:]
    return len(part)


def _decode(path: Path, data: memoryview) -> SnapshotHeader:
    block = bytes(data[: HEADER_BYTES - _CHECKSUM.size])
    checksum = bytes(data[HEADER_BYTES - _CHECKSUM.size : HEADER_BYTES])
    if _CHECKSUM.pack(zlib.crc32(block)) != checksum:
        raise SnapshotError(f"{path}: its header fails its checksum")
    magic, version, sequence, body_bytes, chain, state_hash, print_, digest = _HEADER.unpack_from(
        block
    )
    if (magic, version) != (_MAGIC, _VERSION):
        raise SnapshotError(f"{path}: it is of another format: {magic!r} version {version}")
    return SnapshotHeader(sequence, body_bytes, chain, state_hash.hex(), print_, digest)


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


def _body(memory: Memory) -> Iterator[Bytes]:
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
