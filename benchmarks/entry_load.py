"""Load for a gateway from one process: prepared requests over plain connections, as fast as they
are answered or each at its own time.

Neither HTTP nor websocket is done by a library here, so that the client is not what limits:
requests are bytes made beforehand, and of an answer only its end and its status are looked for.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

_TEXT, _PING, _PONG = 1, 9, 10
_SHORT, _LONG = 125, 65_535


class Line(asyncio.Protocol):
    """One connection; `on_message(line, bytes)` is called for each answer, in order."""

    def __init__(self) -> None:
        self.on_message: Callable[[Any, bytes], None] = _ignore
        self.due: deque[float] = deque()
        self._transport: Any = None
        self._data = b""

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect to a port of this machine."""
        loop = asyncio.get_running_loop()
        _, line = await loop.create_connection(cls, "127.0.0.1", port)
        return line

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self, request: bytes) -> None:
        self._transport.write(request)

    def close(self) -> None:
        self._transport.abort()

    async def ask(self, request: bytes) -> bytes:
        """The next message after this request."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.on_message = lambda _, message: answer.set_result(message)
        self.send(request)
        try:
            return await answer
        finally:
            self.on_message = _ignore


class HttpLine(Line):
    """Requests of HTTP/1.1, one at a time."""

    def data_received(self, data: bytes) -> None:
        data = self._data + data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            start = data.index(b"content-length: ", 0, end) + 16
            length = int(data[start : data.index(b"\r\n", start)])
            if len(data) < end + 4 + length:
                break
            assert data.startswith(b"HTTP/1.1 201"), data
            message, data = data[end + 4 : end + 4 + length], data[end + 4 + length :]
            self.on_message(self, message)
        self._data = data


class WebSocketLine(Line):
    """Texts over a websocket."""

    @classmethod
    async def open(cls, port: int, path: str = "/") -> Self:
        line = await super().open(port)
        key = base64.b64encode(os.urandom(16)).decode()
        line._opened = asyncio.get_running_loop().create_future()
        line.send(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        await line._opened
        return line

    _opened: asyncio.Future[None]

    def data_received(self, data: bytes) -> None:
        data = self._data + data if self._data else data
        if not self._opened.done():
            assert data.startswith(b"HTTP/1.1 101"), data
            data = data[data.index(b"\r\n\r\n") + 4 :]
            self._opened.set_result(None)
        start, size = 0, len(data)
        while size - start >= 2:
            length, begin = data[start + 1], start + 2
            if length > _SHORT:
                begin += 2 if length == _SHORT + 1 else 8
                if size < begin:
                    break
                length = int.from_bytes(data[start + 2 : begin], "big")
            if size < begin + length:
                break
            kind, message = data[start] & 15, data[begin : begin + length]
            start = begin + length
            if kind == _TEXT:
                self.on_message(self, message)
            elif kind == _PING:
                self.send(client_frame(message, _PONG))
        self._data = data[start:]


def _ignore(_: Line, message: bytes) -> None:
    pass


def client_frame(message: bytes, kind: int = _TEXT) -> bytes:
    """A client's frame, with a mask of zeros."""
    length = len(message)
    if length <= _SHORT:
        head = bytes([0x80 | kind, 0x80 | length])
    else:
        assert length <= _LONG
        head = bytes([0x80 | kind, 0x80 | (_SHORT + 1)]) + length.to_bytes(2, "big")
    return head + bytes(4) + message


async def closed(lines: Sequence[Line], requests: Sequence[bytes], window: int) -> float:
    """Requests a second with `window` of each line under way; an answer lets the next one go."""
    rest, left = iter(requests), len(requests)
    done = asyncio.get_running_loop().create_future()

    def answered(line: Line, _: bytes) -> None:
        nonlocal left
        left -= 1
        if (following := next(rest, None)) is not None:
            line.send(following)
        elif not left:
            done.set_result(None)

    start = time.perf_counter()
    for line in lines:
        line.on_message = answered
        for _ in range(window):
            line.send(next(rest))
    await done
    return len(requests) / (time.perf_counter() - start)


async def offered(
    lines: Sequence[Line], requests: Sequence[bytes], per_second: float, window: int
) -> np.ndarray:
    """Nanoseconds from the time at which each request was due until its answer came.

    Where all lines are busy (`window` under way on each), a request waits, and its time counts on.
    """
    free = deque([line for _ in range(window) for line in lines])
    waiting: deque[tuple[float, bytes]] = deque()
    found: list[float] = []
    done = asyncio.get_running_loop().create_future()

    def send(line: Line, due: float, request: bytes) -> None:
        line.due.append(due)
        line.send(request)

    def answered(line: Line, _: bytes) -> None:
        found.append(time.perf_counter() - line.due.popleft())
        if waiting:
            send(line, *waiting.popleft())
        else:
            free.append(line)
        if len(found) == len(requests):
            done.set_result(None)

    for line in lines:
        line.on_message = answered
    start = time.perf_counter()
    for number, request in enumerate(requests):
        due = start + number / per_second
        # What is late is sent at once, and its latency still counts from when it was due.
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        if free:
            send(free.popleft(), due, request)
        else:
            waiting.append((due, request))
    await done
    return np.array(found) * 1e9


def busy_seconds(processes: Iterable[tuple[str, int]]) -> dict[str, float]:
    """How long each process, and this one, has kept a processor busy."""
    found = {"client": time.process_time()}
    for name, number in processes:
        fields = Path(f"/proc/{number}/stat").read_text("ascii").rpartition(")")[2].split()
        found[name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found
