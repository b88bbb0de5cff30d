"""Whether the disk has room for orders, and that every gateway knows when that changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import structlog

from engine.server_link import ServerLink

# How often a core whose disk is full looks whether it still is.
SPACE_SECONDS = 1.0
_log = structlog.get_logger("core")


class SpaceWatch:
    """Looks when it is told to; while there is no room, by itself too."""

    def __init__(
        self,
        journal_has_room: Callable[[], bool],
        event_log_has_room: Callable[[], bool],
        links: Iterable[ServerLink],
    ) -> None:
        self.has_room = True
        self._has_room_each = (journal_has_room, event_log_has_room)
        self._links = links
        self._timer: asyncio.TimerHandle | None = None

    def look(self) -> None:
        """Tell the gateways when the disk has no room for orders, and when it has again."""
        self.stop()
        # Both are asked: each makes its reserve again when there is room.
        journal_has_room, event_log_has_room = (each() for each in self._has_room_each)
        has_room = journal_has_room and event_log_has_room
        if has_room != self.has_room:
            self.has_room = has_room
            _log.error("core: the disk has room again" if has_room else "core: the disk is full")
            for link in self._links:
                link.send_space(has_room)
        if not has_room:
            self._timer = asyncio.get_running_loop().call_later(SPACE_SECONDS, self.look)

    def stop(self) -> None:
        """Look no more until told to."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
