"""The dead-man's switch: an account's open orders are cancelled unless it keeps putting that off.

Deadlines are kept in the database too, so that a switch fires after a restart of the gateway, and
only once where several gateways have seen it being put off.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from api.core_client import CoreError
from settlement import identity
from settlement.database import Database

_RETRY_SECONDS = 1.0
logger = structlog.get_logger(__name__)


class CancelAfter:
    """All switches that are armed; `cancel_all(account)` is what firing does."""

    def __init__(self, database: Database, cancel_all: Callable[[int], Awaitable[int]]) -> None:
        self._database = database
        self._cancel_all = cancel_all
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def load(self) -> None:
        """Take up the switches that were armed before this process started."""
        deadlines = await asyncio.to_thread(self._read)
        for account, deadline_time_ns in deadlines.items():
            self._start(account, deadline_time_ns)

    async def arm(self, account: int, seconds: int) -> int | None:
        """Fire in `seconds` unless called again, 0 disarms; the deadline (ns)."""
        deadline_time_ns = time.time_ns() + seconds * 1_000_000_000 if seconds else None
        await asyncio.wrap_future(
            self._database.write(
                lambda session: identity.set_cancel_after(session, account, deadline_time_ns)
            )
        )
        if deadline_time_ns is None:
            self._stop(account)
        else:
            self._start(account, deadline_time_ns)
        return deadline_time_ns

    async def close(self) -> None:
        """Stop waiting; what is armed stays so in the database."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _stop(self, account: int) -> None:
        task = self._tasks.pop(account, None)
        if task is not None:
            task.cancel()

    def _start(self, account: int, deadline_time_ns: int) -> None:
        self._stop(account)
        self._tasks[account] = asyncio.create_task(self._wait(account, deadline_time_ns))

    async def _wait(self, account: int, deadline_time_ns: int) -> None:
        while True:
            await asyncio.sleep(max(deadline_time_ns - time.time_ns(), 0) / 1e9)
            # Another gateway may have put it off, or disarmed it.
            latest = (await asyncio.to_thread(self._read)).get(account)
            if latest is None:
                break
            if latest > deadline_time_ns:
                deadline_time_ns = latest
                continue
            try:
                cancelled = await self._cancel_all(account)
            except CoreError:
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            logger.info("cancel_after_fired", account=account, cancelled=cancelled)
            await asyncio.wrap_future(
                self._database.write(
                    lambda session: identity.set_cancel_after(session, account, None)
                )
            )
            break
        self._tasks.pop(account, None)

    def _read(self) -> dict[int, int]:
        with self._database.read() as session:
            return identity.cancel_after_deadlines(session)
