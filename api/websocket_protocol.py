"""uvicorn's websocket protocol with the limits that it leaves open: how many frames that no request
fits into (pings, pongs, fragments, empty messages) a client may send, and whether it reads.

Each of them costs its sender nothing, the server some time, and what is kept of it memory.
"""

from __future__ import annotations

import time
from typing import Any

from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from api.http_protocol import ReadDeadline

# In any second. Clients ping once in some seconds, and no common library splits a message.
SMALL_FRAMES_PER_SECOND = 200
# The shortest request is {"op":"ping"}.
SHORTEST_REQUEST_BYTES = 13
# What is parsed at a time, or two frames like the latest one.
MIN_PARSED_BYTES = 4_096


class _GuardedFrames(ServerProtocol):
    """Ends the connection (1002) at the first small frame too many."""

    _second = 0
    _small_frames = 0
    latest_bytes = 0  # of the latest frame

    def recv_frame(self, frame: Frame) -> None:
        self.latest_bytes = len(frame.data)
        is_message = frame.fin and frame.opcode in (Opcode.TEXT, Opcode.BINARY)
        if not is_message or len(frame.data) < SHORTEST_REQUEST_BYTES:
            self._count_small_frame()
        super().recv_frame(frame)

    def _count_small_frame(self) -> None:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._small_frames = second, 0
        self._small_frames += 1
        if self._small_frames > SMALL_FRAMES_PER_SECOND:
            raise ProtocolError("too many pings, fragments or empty messages")


class GuardedWebSocketProtocol(ReadDeadline, WebSocketsSansIOProtocol):
    """Bounds what a connection can cost beyond its messages, which api.streams counts."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Without extensions: compression is not offered, so no frame grows when it is read.
        frames = _GuardedFrames(max_size=self.config.ws_max_size, logger=self.conn.logger)
        self.conn = self._frames = frames
        self._unread = memoryview(b"")

    def data_received(self, data: bytes) -> None:
        self._unread = memoryview(bytes(self._unread) + data if self._unread else data)
        self._parse()

    async def receive(self) -> ASGIReceiveEvent:
        message = await super().receive()
        self._parse()
        return message

    def _parse(self) -> None:
        """Parse until there is a message: who sends thousands at once waits between them, and
        not everybody else."""
        while self._unread and not self.read_paused:
            size = max(MIN_PARSED_BYTES, 2 * self._frames.latest_bytes)
            part, self._unread = self._unread[:size], self._unread[size:]
            super().data_received(bytes(part))

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        # The close frame waits behind all that was not read; the connection does not.
        self.loop.call_later(self.close_timeout, self.transport.abort)
