"""The journal's bytes: segment headers, batches, and how damage is told from a torn tail.

A segment is a header block of 4,096 bytes and then batches, one behind the other; what follows
the last batch is zeros. A batch is a header and a footer of 64 bytes each around its COMMAND
records. Everything starts at a multiple of 64 bytes, so no header or footer ever lies in two of
the disk's sectors: each is on disk as a whole or not at all.

Between batches there may be marks: the same header and footer, with another magic, around one
record that holds the hash of the state after a command, the last before it or an earlier one: to
compute it takes so long that the core goes on meanwhile.

A write that a power cut tore leaves sectors of zeros. Damage leaves other bytes. So an unfinished
batch at the very end of the journal may be cut off, and anything else must stop the start.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import astuple
from hashlib import sha256
from typing import NamedTuple

import numpy as np

from engine.records import COMMAND, RECORD_BYTES
from engine.state import EngineLimits

VERSION = 2
SEGMENT_HEADER_BYTES = 4096
BATCH_ALIGNMENT_BYTES = 64
SECTOR_BYTES = 512
CHAIN_BYTES = 32
FIRST_CHAIN = bytes(CHAIN_BYTES)

_SEGMENT_MAGIC = b"PUHUIJNL"
_BATCH_MAGIC = b"PHBATCH\x01"
_MARK_MAGIC = b"PHMARK\x01\x01"
_END_MAGIC = b"PHEND\xff\xff\xff"
# magic, version, bytes of a record, first sequence, chain so far, the six engine limits, the time
# of the command before
_SEGMENT = struct.Struct(f"<8sIIq{CHAIN_BYTES}s6qq")
_CHECKSUM = struct.Struct("<I")
# magic, first sequence (of a mark: that of the command before it), time, number of records,
# checksum of this header
_BATCH = struct.Struct("<8sqqI32xI")
# chain, checksum of header and records and chain, magic
_FOOTER = struct.Struct(f"<{CHAIN_BYTES}sI20x8s")
BATCH_OVERHEAD_BYTES = _BATCH.size + _FOOTER.size
HEADER_BYTES = _BATCH.size
assert _BATCH.size == _FOOTER.size == BATCH_ALIGNMENT_BYTES
MARK_BYTES = BATCH_OVERHEAD_BYTES + RECORD_BYTES
# state hash, sequence of the command that it is the state after
_MARK = struct.Struct("<32sq")


class JournalError(Exception):
    """The journal cannot be used.

    JournalError
    ├── JournalDamagedError   bytes that were once synced have changed or are missing
    ├── JournalInUseError     another core holds it
    ├── ReplayDivergedError   its commands do not give again what they gave the first time
    │   └── StateDivergedError   not the state of a mark
    └── JournalFailedError    a write or sync failed; the process must end and recover from disk
    """


class JournalDamagedError(JournalError):
    pass


class JournalInUseError(JournalError):
    pass


class ReplayDivergedError(JournalError):
    pass


class StateDivergedError(ReplayDivergedError):
    """The state after command `sequence` is not the one noted then; that after `agreed`, an earlier
    one or 0, was right. `which` says what more is known of the first command that differs."""

    def __init__(self, agreed: int, sequence: int, which: str = "") -> None:
        which = which or f"the first command that differs is one of {agreed + 1} to {sequence}"
        super().__init__(f"the state after command {sequence} is not the one noted then; {which}")
        self.agreed = agreed
        self.sequence = sequence


class JournalFailedError(JournalError):
    pass


class SegmentHeader(NamedTuple):
    first_sequence: int
    chain: bytes
    limits: EngineLimits
    last_time_ns: int  # of the command before the first; 0: there was none


class Batch(NamedTuple):
    """A batch found whole. `records` is a read-only view of the segment's bytes."""

    records: np.ndarray
    chain: bytes
    end: int


class Mark(NamedTuple):
    """A mark found whole: `state_hash` (hexadecimal) is that of the state after `sequence`."""

    sequence: int
    state_hash: str
    chain: bytes
    end: int


class Flaw(NamedTuple):
    """Bytes that are no valid batch, where one was expected."""

    what: str
    is_torn: bool


def encode_segment_header(header: SegmentHeader) -> bytes:
    fields = _SEGMENT.pack(
        _SEGMENT_MAGIC,
        VERSION,
        RECORD_BYTES,
        header.first_sequence,
        header.chain,
        *astuple(header.limits),
        header.last_time_ns,
    )
    block = fields.ljust(SEGMENT_HEADER_BYTES - _CHECKSUM.size, b"\0")
    return block + _CHECKSUM.pack(zlib.crc32(block))


def decode_segment_header(data: bytes) -> SegmentHeader:
    """Raises JournalDamagedError."""
    block, checksum = data[: -_CHECKSUM.size], data[-_CHECKSUM.size :]
    if len(data) != SEGMENT_HEADER_BYTES or _CHECKSUM.pack(zlib.crc32(block)) != checksum:
        raise JournalDamagedError("the segment's header fails its checksum")
    magic, version, record_bytes, first_sequence, chain, *rest = _SEGMENT.unpack_from(block)
    if (magic, version, record_bytes) != (_SEGMENT_MAGIC, VERSION, RECORD_BYTES):
        raise JournalDamagedError(f"the segment is of another format: {magic!r} version {version}")
    *limits, last_time_ns = rest
    return SegmentHeader(first_sequence, chain, EngineLimits(*limits), last_time_ns)


def batch_bytes(count: int) -> int:
    return BATCH_OVERHEAD_BYTES + count * RECORD_BYTES


def encode_batch(records: np.ndarray, chain: bytes) -> tuple[bytes, memoryview, bytes]:
    """Header, body and footer of a batch whose records are stamped; the footer opens with the
    new chain."""
    body = records.view(np.uint8).data
    first = records[0]
    numbers = int(first["sequence"]), int(first["time_ns"]), len(records)
    header = _encode_header(_BATCH_MAGIC, *numbers)
    return header, body, _encode_footer(header, body, chain)


def encode_mark(
    last_sequence: int, time_ns: int, sequence: int, state_hash: str, chain: bytes
) -> tuple[bytes, bytes, bytes]:
    """Header, body and footer of a mark of command `sequence` that lies behind `last_sequence`."""
    body = _MARK.pack(bytes.fromhex(state_hash), sequence).ljust(RECORD_BYTES, b"\0")
    header = _encode_header(_MARK_MAGIC, last_sequence, time_ns, 1)
    return header, body, _encode_footer(header, body, chain)


def chain_of(footer: bytes) -> bytes:
    return footer[:CHAIN_BYTES]


def _encode_header(magic: bytes, first_sequence: int, time_ns: int, count: int) -> bytes:
    fields = _BATCH.pack(magic, first_sequence, time_ns, count, 0)[: -_CHECKSUM.size]
    return fields + _CHECKSUM.pack(zlib.crc32(fields))


def _encode_footer(header: bytes, body: memoryview | bytes, chain: bytes) -> bytes:
    digest = sha256(chain)
    digest.update(header)
    digest.update(body)
    new_chain = digest.digest()
    return _FOOTER.pack(new_chain, _checksum(header, body, new_chain), _END_MAGIC)


def _checksum(header: bytes, body: memoryview | bytes, chain: bytes) -> int:
    return zlib.crc32(chain, zlib.crc32(body, zlib.crc32(header)))


def decode_entry(
    data: memoryview, offset: int, sequence: int, chain: bytes
) -> Batch | Mark | Flaw | None:
    """The batch at `offset`, which must begin with `sequence` and continue `chain`, or a mark.

    None where only zeros follow: the journal's end. `data` is the whole segment.
    """
    rest = data[offset:]
    header = bytes(rest[: _BATCH.size])
    if not _is_header(header):
        length = length_without_zeros(rest)
        return _judge_header(rest, length) if length else None
    magic, first_sequence, _, count, _ = _BATCH.unpack(header)
    size = batch_bytes(count)
    body = rest[_BATCH.size : size - _FOOTER.size]
    footer = bytes(rest[size - _FOOTER.size : size])
    if footer != _encode_footer(header, body, chain):
        return _judge_batch(data, offset, size)
    if magic == _MARK_MAGIC:
        if first_sequence != sequence - 1:
            return Flaw(f"a mark behind {first_sequence}, not {sequence - 1}", is_torn=False)
        state_hash, marked = _MARK.unpack_from(body)
        return Mark(marked, state_hash.hex(), chain_of(footer), offset + size)
    records = np.frombuffer(body, COMMAND)
    if first_sequence != sequence or int(records[0]["sequence"]) != sequence:
        return Flaw(f"it begins with command {first_sequence}, not {sequence}", is_torn=False)
    return Batch(records, chain_of(footer), offset + size)


def marks_in(data: memoryview) -> Iterator[tuple[int, Mark]]:
    """The marks of a segment, each with the last command before it, found by the headers alone.

    Each is sound in itself; only who reads the entries knows whether what lies around it is.
    """
    offset = SEGMENT_HEADER_BYTES
    while _is_header(header := bytes(data[offset : offset + HEADER_BYTES])):
        magic, last_sequence, _, count, _ = _BATCH.unpack(header)
        begin, offset = offset + HEADER_BYTES, offset + batch_bytes(count)
        if magic != _MARK_MAGIC or offset > len(data):
            continue
        body, footer = data[begin : offset - _FOOTER.size], data[offset - _FOOTER.size : offset]
        chain, checksum, end_magic = _FOOTER.unpack(footer)
        if (checksum, end_magic) == (_checksum(header, body, chain), _END_MAGIC):
            state_hash, marked = _MARK.unpack_from(body)
            yield last_sequence, Mark(marked, state_hash.hex(), chain, offset)


def _is_header(header: bytes) -> bool:
    if len(header) < _BATCH.size:
        return False
    magic, first_sequence, time_ns, count, _ = _BATCH.unpack(header)
    if magic not in (_BATCH_MAGIC, _MARK_MAGIC):
        return False
    return count > 0 and header == _encode_header(magic, first_sequence, time_ns, count)


def _judge_header(rest: memoryview, length: int) -> Flaw:
    """A header lies in one sector, so it is missing, cut off in a shortened file, or damaged; or a
    start that was taking it off had come so far: then nothing is left behind it."""
    if length <= _BATCH.size:
        return Flaw("a part of its header, and nothing behind it", is_torn=True)
    if any(rest[: _BATCH.size]):
        return Flaw("its header fails its checksum", is_torn=False)
    for start in range(0, length, BATCH_ALIGNMENT_BYTES):
        if _is_header(bytes(rest[start : start + _BATCH.size])):
            return Flaw("zeros where valid batches follow", is_torn=False)
    return Flaw("its header was never written", is_torn=True)


def _judge_batch(data: memoryview, offset: int, size: int) -> Flaw:
    """The header is sound and the batch is not: torn if it is the last and some part is missing."""
    length = length_without_zeros(data[offset:])
    if length > size:
        return Flaw("it fails its checksum, and valid data may follow", is_torn=False)
    if length < size:
        return Flaw("its end was never written", is_torn=True)
    # No sector inside a batch is ever all zeros: it would hold the start of a stamped record.
    first_boundary = -(-offset // SECTOR_BYTES) * SECTOR_BYTES
    for start in range(first_boundary, offset + size - SECTOR_BYTES + 1, SECTOR_BYTES):
        if not any(data[start : start + SECTOR_BYTES]):
            return Flaw("a part of it was never written", is_torn=True)
    return Flaw("it fails its checksum", is_torn=False)


def length_without_zeros(rest: memoryview) -> int:
    """How many bytes are left when the zeros at the end are taken off."""
    end = len(rest)
    step = 1 << 20
    while end and not np.frombuffer(rest[max(0, end - step) : end], np.uint8).any():
        end = max(0, end - step)
    if end == 0:
        return 0
    last = np.flatnonzero(np.frombuffer(rest[max(0, end - step) : end], np.uint8))[-1]
    return max(0, end - step) + int(last) + 1
