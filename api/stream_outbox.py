"""What waits to be sent to one websocket client, bounded.

Answers and private messages must all arrive, in order: a client that lets too many of them pile up
is closed and can replay. Public market data may be skipped: once a client is too far behind, its
channels are marked stale, and each gets one fresh snapshot when the client has caught up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from api.websocket_protocol import server_frame

PUBLIC_CHARACTERS_KEPT = 256 * 1024
PRIVATE_CHARACTERS_KEPT = 4 * 1024 * 1024
# Texts, and on a binary connection frames of records, whose bytes count as characters.
Message = str | bytes


class Channel(NamedTuple):
    """A public channel of one instrument."""

    name: str
    symbol: str
    is_binary: bool = False


class Closing(NamedTuple):
    """The end of a connection: a websocket close code and the reason in one word."""

    code: int
    reason: str


SLOW_CONSUMER = Closing(4008, "slow_consumer")


class Outbox:
    """The queue between those who publish, who never wait, and the task that sends."""

    def __init__(
        self,
        snapshot: Callable[[Channel], Message],
        public_characters_kept: int = PUBLIC_CHARACTERS_KEPT,
        private_characters_kept: int = PRIVATE_CHARACTERS_KEPT,
        write: Callable[[bytes], bool] | None = None,
    ) -> None:
        """`write` sends a frame at once, if the connection takes it; else it is to be queued."""
        self._snapshot = snapshot
        self._public_kept = public_characters_kept
        self._private_kept = private_characters_kept
        self._messages: deque[tuple[bool, Message]] = deque()
        self._public_characters = 0
        self._private_characters = 0
        # In the order in which they fell behind.
        self._stale: dict[Channel, None] = {}
        self._closing: Closing | None = None
        self._write = write
        # Whoever sends has sent everything: what comes next overtakes nothing.
        self._is_idle = False
        self._changed = asyncio.Event()
        # Set once the connection is to end.
        self.closing = asyncio.Event()

    def put(self, message: Message) -> None:
        """Queue an answer or a private message; too many of them close the connection."""
        if self._closing is not None:
            return
        is_bounded = len(message) <= self._private_kept
        if self._is_idle and is_bounded and self._written(server_frame(message)):
            return
        self._private_characters += len(message)
        if self._private_characters > self._private_kept:
            self._messages.clear()
            self._stale.clear()
            self.close(SLOW_CONSUMER)
            return
        self._messages.append((False, message))
        self._wake()

    def put_public(self, channel: Channel, message: Message, frame: bytes | None = None) -> None:
        """Send market data, or queue it, or mark the channel stale if the client is too far behind.

        `frame` is the message as `server_frame` makes it, once for all who get it.
        """
        if self._closing is not None or channel in self._stale:
            return
        if self._is_idle and self._written(frame or server_frame(message)):
            return
        if self._public_characters + len(message) > self._public_kept and self._public_characters:
            self._stale[channel] = None
            return
        self._public_characters += len(message)
        self._messages.append((True, message))
        self._wake()

    def drop_channel(self, channel: Channel) -> None:
        """The client no longer wants the channel; what is queued already is still sent."""
        self._stale.pop(channel, None)

    def close(self, closing: Closing) -> None:
        """Send what is queued, then end the connection; the first reason given stands."""
        if self._closing is None:
            self._closing = closing
            self.closing.set()
            self._wake()

    def _written(self, frame: bytes) -> bool:
        return self._write is not None and self._write(frame)

    def _wake(self) -> None:
        self._is_idle = False
        self._changed.set()

    async def get(self) -> Message | Closing:
        """The next message to send, or how to close when there is nothing left to be sent."""
        while True:
            if self._messages:
                is_public, message = self._messages.popleft()
                if is_public:
                    self._public_characters -= len(message)
                else:
                    self._private_characters -= len(message)
                return message
            if self._closing is not None:
                return self._closing
            if self._stale:
                channel = next(iter(self._stale))
                del self._stale[channel]
                return self._snapshot(channel)
            self._changed.clear()
            self._is_idle = True
            try:
                await self._changed.wait()
            finally:
                self._is_idle = False
