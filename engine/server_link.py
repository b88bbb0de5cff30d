"""The core's side of one gateway's connection: its frames in, its events and answers out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Protocol, cast

import numpy as np
import structlog

from engine.link import (
    MAX_COMMANDS_BYTES,
    PROTOCOL_VERSION,
    FrameKind,
    FrameReader,
    LinkError,
    frame,
)
from engine.records import RECORD_BYTES

# A link whose unsent bytes have come to this is closed; its gateway can return and subscribe from
# where it was. It is never waited for.
MAX_UNSENT_BYTES = 64 << 20
_log = structlog.get_logger("core")


class LinkOwner(Protocol):
    """What a link asks of the core."""

    @property
    def released_sequence(self) -> int: ...

    @property
    def first_sequence(self) -> int:
        """Events of earlier commands are archived."""

    @property
    def has_room(self) -> bool: ...

    def open_link(self, link: ServerLink) -> int:
        """Give the link its number, or raise LinkError."""

    def close_link(self, link: ServerLink) -> None: ...

    def take_commands(self, link: ServerLink, payload: bytes) -> None: ...

    def take_query(self, link: ServerLink, tag: int, payload: bytes) -> None: ...

    def read_events(self, first_sequence: int) -> Iterator[np.ndarray]: ...


class ServerLink(asyncio.BufferedProtocol):
    """Until it subscribes, a link gets the events of its own commands; from then on, all."""

    def __init__(self, owner: LinkOwner, max_unsent_bytes: int = MAX_UNSENT_BYTES) -> None:
        self.number = 0
        self.name = ""
        self.has_sent_commands = False
        self._owner = owner
        self._max_unsent_bytes = max_unsent_bytes
        self._reader = FrameReader(MAX_COMMANDS_BYTES)
        self._transport: asyncio.Transport | None = None
        self._closed = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._has_subscribed = False
        self._is_live = False
        self._catching_up: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have its methods without being its subclass.
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.room

    def buffer_updated(self, nbytes: int) -> None:
        try:
            for kind, tag, payload in self._reader.take(nbytes):
                self._take(kind, tag, payload)
        except LinkError as error:
            _log.error("core: link closed", gateway=self.number, name=self.name, why=str(error))
            self.abort()

    def pause_writing(self) -> None:
        self._drained.clear()

    def resume_writing(self) -> None:
        self._drained.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._is_live = False
        self._closed.set()
        if self._catching_up:
            self._catching_up.cancel()
        if self.number:
            self._owner.close_link(self)

    def release(self, events: np.ndarray, whole_frame: bytes) -> None:
        """Send the events of one batch, now that they are durable."""
        if self._is_live:
            self._send(whole_frame)
        elif not self._has_subscribed:
            mine = events[events["gateway"] == self.number]
            if len(mine):
                self._send(_events_frame(mine))

    def send_answer(self, tag: int, payload: bytes) -> None:
        self._send(frame(FrameKind.ANSWER, tag, payload))

    def send_space(self, has_room: bool) -> None:
        self._send(frame(FrameKind.SPACE, int(has_room)))

    def pause_reading(self) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.resume_reading()

    async def say_goodbye(self) -> None:
        """Send what is left, and close."""
        self._send(frame(FrameKind.GOODBYE, 0))
        if self._transport:
            self._transport.close()
        await self._closed.wait()

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()

    def _take(self, kind: FrameKind, tag: int, payload: bytes) -> None:
        if kind is FrameKind.HELLO:
            self._greet(tag, payload)
        elif not self.number:
            raise LinkError("the first frame is HELLO")
        elif kind is FrameKind.COMMANDS:
            if not payload or len(payload) % RECORD_BYTES:
                raise LinkError(f"{len(payload)} bytes are no whole commands")
            self.has_sent_commands = True
            self._owner.take_commands(self, payload)
        elif kind is FrameKind.QUERY:
            self._owner.take_query(self, tag, payload)
        elif kind is FrameKind.SUBSCRIBE:
            self._subscribe(tag)
        else:
            raise LinkError(f"a gateway does not send {kind.name}")

    def _greet(self, version: int, name: bytes) -> None:
        if self.number:
            raise LinkError("a second HELLO")
        if version != PROTOCOL_VERSION:
            raise LinkError(f"protocol version {version}; the core speaks {PROTOCOL_VERSION}")
        self.name = name[:64].decode("utf-8", "replace")
        self.number = self._owner.open_link(self)
        welcome = bytes([self.number])
        self._send(frame(FrameKind.WELCOME, self._owner.released_sequence, welcome))
        if not self._owner.has_room:
            self.send_space(False)

    def _subscribe(self, first_sequence: int) -> None:
        following = self._owner.released_sequence + 1
        if self._has_subscribed:
            raise LinkError("a second SUBSCRIBE")
        if not 0 <= first_sequence <= following:
            raise LinkError(f"no command {first_sequence}: the next one is {following}")
        if 0 < first_sequence < self._owner.first_sequence:
            raise LinkError(
                f"the events of command {first_sequence} are archived: stop the core, move the"
                " segments in events/archive/ back up and start it again"
            )
        self._has_subscribed = True
        if first_sequence in (0, following):
            self._is_live = True
        else:
            self._catching_up = asyncio.ensure_future(self._catch_up(first_sequence))

    async def _catch_up(self, first_sequence: int) -> None:
        """Send history as fast as it is taken. When the log has no more, nothing has been
        released since it was asked, so the live events follow without a gap."""
        for events in self._owner.read_events(first_sequence):
            self._send(_events_frame(events))
            await self._drained.wait()
            # Many links that catch up must not keep the core from its orders.
            await asyncio.sleep(0)
        self._is_live = self._transport is not None

    def _send(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > self._max_unsent_bytes:
            _log.error("core: link closed", gateway=self.number, name=self.name, why="too slow")
            self.abort()
            return
        self._transport.write(data)


def _events_frame(events: np.ndarray) -> bytes:
    return frame(FrameKind.EVENTS, int(events[-1]["sequence"]), events.data)
