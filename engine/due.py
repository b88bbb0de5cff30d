"""What has its time: orders that expire, volatility interruptions that end.

The engine reads no clock, so the core gives the commands for it: ahead of the first batch of that
time, and by a timer when nobody sends one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from engine.codes import CommandKind
from engine.pending import Part, own_part
from engine.queries import MatchingEngine
from engine.units import NEVER_NS

# The loop's clock and the wall clock drift apart, so a distant time is looked at now and then.
MAX_WAIT_SECONDS = 60.0


class DueTimes:
    """When an engine has something to do without being told."""

    def __init__(
        self, engine: MatchingEngine, clock: Callable[[], int], on_due: Callable[[], bool]
    ) -> None:
        """`on_due()` takes up what is due by now, and says whether there was anything."""
        self._engine = engine
        self._clock = clock
        self._on_due = on_due
        self._loop = asyncio.get_running_loop()
        self._next_ns = self._find_next()
        self._awaited_ns = NEVER_NS
        self._timer: asyncio.TimerHandle | None = None
        self._is_stopped = False

    def parts(self, time_ns: int) -> list[Part]:
        """The core's own commands for this time: an expired order is in no auction that ends."""
        due: list[Part] = []
        if self._next_ns > time_ns:
            return due
        if self._engine.next_expiry_ns <= time_ns:
            due.append(own_part(CommandKind.EXPIRE_ORDERS))
        if self._engine.next_interruption_end_ns <= time_ns:
            due.append(own_part(CommandKind.END_INTERRUPTIONS))
        return due

    def look(self) -> None:
        """Have taken up what is due by now; nobody may have sent a command for a long time."""
        self._forget_timer()
        if self._next_ns != NEVER_NS and not self._on_due():
            self.note()

    def note(self) -> None:
        """The engine has moved on: see to it that the next time is noticed even if nothing comes
        until then."""
        due_ns = self._next_ns = self._find_next()
        if due_ns == self._awaited_ns or self._is_stopped:
            return
        self._forget_timer()
        if due_ns != NEVER_NS:
            self._awaited_ns = due_ns
            seconds = max(due_ns - self._clock(), 0) / 1e9
            self._timer = self._loop.call_later(min(seconds, MAX_WAIT_SECONDS), self.look)

    def stop(self) -> None:
        """Wake nobody any more."""
        self._is_stopped = True
        self._forget_timer()

    def _find_next(self) -> int:
        """Nothing is due before this time."""
        return min(self._engine.next_expiry_ns, self._engine.next_interruption_end_ns)

    def _forget_timer(self) -> None:
        self._awaited_ns = NEVER_NS
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
