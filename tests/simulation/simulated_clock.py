"""An event loop whose time passes only when nothing is left to do; links within one process."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from random import Random
from typing import Any

_LATENCY_SECONDS = 0.0003


class StandstillError(Exception):
    """Everything waits and nothing will ever happen."""


class _TimePasses(selectors.SelectSelector):
    """Instead of waiting for the world outside, which there is not, lets the time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise StandstillError
        self.seconds += max(timeout, 0.0)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Calls come in the order in which they were asked for, so one seed gives one run."""

    def __init__(self) -> None:
        self._time_passes = _TimePasses()
        super().__init__(self._time_passes)

    def time(self) -> float:
        return self._time_passes.seconds


class Link:
    """The two ends of a stream between a client and the core."""

    def __init__(self, loop: SimulatedLoop, random: Random) -> None:
        self.ends = (LinkEnd(loop, random), LinkEnd(loop, random))
        self.ends[0].other, self.ends[1].other = self.ends[1], self.ends[0]

    def open(self, server: Any, client: Any) -> None:
        for end, protocol in zip(self.ends, (server, client), strict=True):
            end.protocol = protocol
            protocol.connection_made(end)


class LinkEnd:
    """What asyncio calls a transport: bytes arrive after a while, whole and in order."""

    other: LinkEnd

    def __init__(self, loop: SimulatedLoop, random: Random) -> None:
        self.protocol: Any = None
        self._loop, self._random = loop, random
        self._last_arrival = 0.0
        self._is_closed = False
        self._is_paused = False
        self._waiting: list[Callable[[], None]] = []

    def write(self, data: bytes) -> None:
        if not self._is_closed:
            self.other._after_a_while(lambda: self.other._take(data))

    def close(self) -> None:
        """Hang up: the other end gets what was sent, and then learns of it."""
        if not self._is_closed:
            self._is_closed = True
            self._loop.call_soon(self._lose)
            self.other._after_a_while(self.other._hang_up)

    abort = close

    def die(self) -> None:
        """This end's process is gone: it does nothing more, and the other one learns of it."""
        self._is_closed = True
        self.protocol = None
        self.other._after_a_while(self.other._hang_up)

    def is_closing(self) -> bool:
        return self._is_closed

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        self._is_paused = False
        waiting, self._waiting = self._waiting, []
        for work in waiting:
            work()

    def _after_a_while(self, work: Callable[[], None]) -> None:
        seconds = self._random.expovariate(1 / _LATENCY_SECONDS)
        # Later than what was sent before, or the two might change places.
        self._last_arrival = max(self._loop.time() + seconds, self._last_arrival + 1e-9)
        self._loop.call_at(self._last_arrival, work)

    def _take(self, data: bytes) -> None:
        if self._is_paused:
            self._waiting.append(lambda: self._take(data))
        elif not self._is_closed and self.protocol:
            self._deliver(data)

    def _deliver(self, data: bytes) -> None:
        """Write it where the protocol wants it, as much at a time as it has room for."""
        while data and self.protocol:
            room = self.protocol.get_buffer(len(data))
            count = min(len(room), len(data))
            room[:count] = data[:count]
            self.protocol.buffer_updated(count)
            data = data[count:]

    def _hang_up(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._lose()

    def _lose(self) -> None:
        protocol, self.protocol = self.protocol, None
        if protocol:
            protocol.connection_lost(None)
