"""uvicorn's HTTP protocol with the limits that it leaves open: header size, header time, number,
and how long a client may take to read what it asked for.

They come before any route, so they answer with problems of their own.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.errors import Problem

MAX_HEADER_BYTES = 32 << 10
HEADER_SECONDS = 10.0
MAX_CONNECTIONS = 20_000
# Requests of one connection that may wait for the answer before theirs; clients send one at a time.
MAX_PIPELINED = 128
# How long a full buffer may wait to be read; what it holds is the server's memory.
READ_SECONDS = 30.0


class ReadDeadline:
    """For a protocol: cuts a connection whose other end has stopped reading."""

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    _read_by: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()  # type: ignore[misc]
        if self._read_by is None:
            self._read_by = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._forget_deadline()
        super().resume_writing()  # type: ignore[misc]

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)  # type: ignore[misc]

    def _forget_deadline(self) -> None:
        if self._read_by is not None:
            self._read_by.cancel()
            self._read_by = None


class GuardedHttpProtocol(ReadDeadline, HttpToolsProtocol):
    """Closes a connection whose request line and headers are too long or too slow to come."""

    _unfinished_bytes = 0
    _begun = 0  # requests, in the data that is being read
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_headers()
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(Problem("service_unavailable", retry_after_ms=1_000))

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self.pipeline.clear()  # nobody is left to be answered
        super().connection_lost(exc)

    def eof_received(self) -> None:
        # uvloop closes the transport now and tells of it later: a write in between would fail.
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def data_received(self, data: bytes) -> None:
        was_waiting = self._deadline is not None
        self._begun = 0
        super().data_received(data)
        is_waiting = self._deadline is not None
        # Data in which headers begin may hold whole requests before them: not counted.
        self._unfinished_bytes += len(data)
        if not (was_waiting and is_waiting) or self._begun > 1:
            self._unfinished_bytes = 0
        if self._unfinished_bytes > MAX_HEADER_BYTES:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            detail = f"Request line and headers are at most {MAX_HEADER_BYTES} bytes."
            self._refuse(Problem("invalid_request", detail, http_status=status))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun += 1
        self._await_headers()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        if len(self.pipeline) >= MAX_PIPELINED:
            self.transport.abort()
            raise ValueError("too many requests at once")  # ends the parser, too
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(Problem("invalid_request", msg))

    def _await_headers(self) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, problem: Problem) -> None:
        if self.transport.is_closing():
            return
        self._stop_waiting()
        response = problem.response()
        reason = HTTPStatus(response.status_code).phrase
        lines = [f"HTTP/1.1 {response.status_code} {reason}".encode("ascii")]
        lines += [name + b": " + value for name, value in response.raw_headers]
        lines += [b"connection: close", b"", bytes(response.body)]
        self.transport.write(b"\r\n".join(lines))
        self.transport.close()
