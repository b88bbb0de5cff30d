"""A real core process for a benchmark, and a bare socket to it: no event loop, no client."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from engine.link import (
    HEADER,
    PROTOCOL_VERSION,
    SOCKET_NAME,
    FrameKind,
    connected_socket,
    frame,
)
from engine.records import EVENT

_RETRY_SECONDS = 0.05


@contextmanager
def core_process(data_dir: Path) -> Iterator[socket.socket]:
    """A core on `data_dir` as the command starts it, killed at the end; a connection to it."""
    command = [sys.executable, "-m", "api.cli", "core", "--data", str(data_dir)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            with _connected(data_dir, process) as connection:
                yield connection
        finally:
            process.kill()


def ask(connection: socket.socket, commands: np.ndarray) -> np.ndarray:
    """Send commands as one frame and wait for their events; nothing else may be on its way."""
    connection.sendall(frame(FrameKind.COMMANDS, 0, commands.tobytes()))
    return np.frombuffer(_receive(connection), EVENT)


def _connected(data_dir: Path, process: subprocess.Popen[bytes]) -> socket.socket:
    while True:
        assert process.poll() is None, "the core has ended"
        try:
            connection = connected_socket(data_dir / SOCKET_NAME)
        except OSError:
            time.sleep(_RETRY_SECONDS)
            continue
        connection.setblocking(True)
        connection.sendall(frame(FrameKind.HELLO, PROTOCOL_VERSION, b"benchmark"))
        _receive(connection)
        return connection


def _receive(connection: socket.socket) -> bytes:
    """The payload of the next frame."""
    data = b""
    while len(data) < HEADER.size or len(data) < HEADER.size + HEADER.unpack_from(data)[0]:
        more = connection.recv(1 << 16)
        assert more, "the core has closed the connection"
        data += more
    return data[HEADER.size :]
