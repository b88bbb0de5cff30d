"""What a gateway and the back office have in common: links to the core, and work that goes on.

A task in the background that fails is said loudly and ends the process, to start afresh.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog

from api.core_client import CoreClient, CoreUnavailable, OnChange, OnEvents

logger = structlog.get_logger(__name__)

POLL_SECONDS = 0.05
_CONNECT_SECONDS = 60.0


class Background:
    """The links and tasks of one process, closed together."""

    def __init__(self, socket_path: Path, on_failure: Callable[[], None] | None = None) -> None:
        self.fail = on_failure or _end_process
        self._socket_path = socket_path
        self._links: list[CoreClient] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def connect(
        self, name: str, on_events: OnEvents | None = None, on_lost: OnChange | None = None
    ) -> CoreClient:
        """A link to the core, which may still be starting. Raises CoreUnavailable."""
        deadline = time.monotonic() + _CONNECT_SECONDS
        while True:
            try:
                link = await CoreClient.connect(self._socket_path, name, on_events, on_lost)
            except CoreUnavailable:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(POLL_SECONDS)
            else:
                self._links.append(link)
                return link

    def supervise(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run in the background; a failure ends the process."""

        def done(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                logger.critical("task_failed", task=name, exc_info=error)
                self.fail()

        task = asyncio.create_task(work, name=name)
        task.add_done_callback(done)
        self._tasks.append(task)

    async def close(self) -> None:
        """End the tasks, then the links."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in self._links:
            await link.close()


def _end_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
