"""Frames between the core and its gateways over a Unix stream socket.

A frame is a 16-byte header (payload length, kind, reserved, tag) and its payload. The core is the
server. A connection opens with HELLO and WELCOME; then the gateway sends COMMANDS, SUBSCRIBE and
QUERY in any order, and the core sends EVENTS, in sequence and only when durable, and ANSWERs.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

import numpy as np

from engine.codes import CommandKind
from engine.records import RECORD_BYTES

HEADER = struct.Struct("<IHHq")
PROTOCOL_VERSION = 1
MAX_PAYLOAD_BYTES = 1 << 30
# The core refuses longer COMMANDS frames; a longer list of commands is sent as several.
MAX_FRAME_COMMANDS = 4096
MAX_COMMANDS_BYTES = MAX_FRAME_COMMANDS * RECORD_BYTES
MAX_GATEWAY = 255
# So much is read at once, unless a frame is longer.
_READ_BYTES = 256 << 10
SOCKET_NAME = "core.sock"


class FrameKind(IntEnum):
    HELLO = 1  # tag: protocol version; the payload is the gateway's name, UTF-8
    WELCOME = 2  # tag: last durable sequence; the payload is the gateway's number, one byte
    COMMANDS = 3  # COMMAND records; the core stamps sequence, time and gateway
    EVENTS = 4  # tag: last sequence covered; EVENT records of whole commands
    SUBSCRIBE = 5  # tag: first sequence wanted; 0: only what is to come
    QUERY = 6  # tag: the asker's own, returned; one byte QueryKind, then int32 argument
    ANSWER = 7  # tag: the query's; int64 sequence, then the arrays of engine.queries
    GOODBYE = 8  # the core is shutting down
    SPACE = 9  # tag 0: the disk is full, send no orders until it is 1; at first it is 1


class QueryKind(IntEnum):
    ACCOUNT = 1  # argument: account; accounts (one row), positions, allowances
    MARKET = 2  # instruments, and all open orders in ORDER_STATE order
    STATE_HASH = 3  # 64 hexadecimal characters
    BALANCES = 4  # all accounts, positions, allowances: for reconciliation
    STATUS = 5  # one row of engine.status.STATUS; answered at once, durable or not


# What the core takes on a full disk: these, and all administration.
_WITHOUT_SPACE = (CommandKind.CANCEL_ORDER, CommandKind.CANCEL_ALL, CommandKind.EXPIRE_ORDERS)
# For each number that a command's kind can be; a lone order waits for this.
_NEEDS_SPACE = np.arange(1 << 8) < CommandKind.DEFINE_INSTRUMENT
_NEEDS_SPACE[list(_WITHOUT_SPACE)] = False


def needs_space(commands: np.ndarray) -> bool:
    """Whether there is any among them that the core does not take on a full disk."""
    return bool(_NEEDS_SPACE[commands["kind"]].any())


class LinkError(Exception):
    """The other side broke the protocol; the connection is of no further use."""


def frame(kind: FrameKind, tag: int, payload: bytes | memoryview = b"") -> bytes:
    """One frame, ready to be sent."""
    length = len(payload) if isinstance(payload, bytes) else payload.nbytes
    return b"".join((HEADER.pack(length, kind, 0, tag), payload))


def listening_socket(path: Path) -> socket.socket:
    """A bound socket that only this user can connect to; call `listen` when ready for it.

    Whoever calls this holds the journal's lock, so a socket that lies there is a dead core's.
    """
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        server.bind(_short_name(folder, path))
        path.chmod(0o600)
    except OSError:
        server.close()
        raise
    finally:
        os.close(folder)
    return server


def connected_socket(path: Path) -> socket.socket:
    """A socket connected to the core at `path`. Raises OSError."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            client.connect(_short_name(folder, path))
        finally:
            os.close(folder)
    except OSError:
        client.close()
        raise
    client.setblocking(False)
    return client


def _short_name(folder: int, path: Path) -> str:
    """A name within the 107 bytes of a Unix socket's address, however deep the folder lies."""
    return f"/proc/self/fd/{folder}/{path.name}"


class FrameReader:
    """Cuts a byte stream into frames; keeps what is incomplete until more comes.

    What comes is written into its `room` and then taken, so that it is copied once: into payloads
    of their own.
    """

    def __init__(self, max_payload_bytes: int = MAX_PAYLOAD_BYTES) -> None:
        self._max_payload_bytes = max_payload_bytes
        self._buffer = bytearray(_READ_BYTES)
        self._end = 0

    @property
    def room(self) -> memoryview:
        """Where the next bytes belong; never empty."""
        return memoryview(self._buffer)[self._end :]

    def feed(self, data: bytes) -> Iterator[tuple[FrameKind, int, bytes]]:
        """As `take`, for bytes that are not in its room yet."""
        rest = memoryview(data)
        while rest:
            room = self.room
            count = min(len(room), len(rest))
            room[:count] = rest[:count]
            yield from self.take(count)
            rest = rest[count:]

    def take(self, count: int) -> Iterator[tuple[FrameKind, int, bytes]]:
        """Yield (kind, tag, payload) of every frame completed by the next `count` bytes.

        Raises LinkError.
        """
        self._end += count
        data = memoryview(self._buffer)
        start, needed = 0, HEADER.size
        while self._end - start >= HEADER.size:
            length, kind, _, tag = HEADER.unpack_from(data, start)
            if length > self._max_payload_bytes:
                raise LinkError(f"a frame of {length} bytes is too long")
            needed = HEADER.size + length
            if self._end - start < needed:
                break
            try:
                yield FrameKind(kind), tag, bytes(data[start + HEADER.size : start + needed])
            except ValueError as error:
                raise LinkError(str(error)) from error
            start += needed
            needed = HEADER.size
        size = max(needed, _READ_BYTES)
        if start or size != len(self._buffer):
            self._go_on_with(data[start : self._end], size)

    def _go_on_with(self, rest: memoryview, size: int) -> None:
        """Put an incomplete frame at the beginning of a buffer of this size."""
        if size != len(self._buffer):
            self._buffer = bytearray(size)
        memoryview(self._buffer)[: len(rest)] = rest
        self._end = len(rest)
