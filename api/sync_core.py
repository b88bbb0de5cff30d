"""The core's client for worker threads, which wait for what the event loop asks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

import numpy as np

from api.core_client import CoreClient, ExecutionUnknown
from engine.queries import AccountAnswer, BalancesAnswer

SYNC_SECONDS = 60.0

T = TypeVar("T")


class SyncCore:
    """The client for worker threads: the same questions, waiting for the answer."""

    def __init__(self, client: CoreClient, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._loop = loop

    def submit(self, commands: np.ndarray) -> list[np.ndarray]:
        """Raises CoreUnavailable, ExecutionUnknown."""
        return self._wait(self._client.submit(commands))

    def account(self, number: int) -> AccountAnswer:
        """Raises CoreUnavailable, ExecutionUnknown."""
        return self._wait(self._client.account(number))

    def balances(self) -> BalancesAnswer:
        """Raises CoreUnavailable, ExecutionUnknown."""
        return self._wait(self._client.balances())

    def _wait(self, question: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(question, self._loop)
        try:
            return future.result(SYNC_SECONDS)
        except FutureTimeoutError as error:
            future.cancel()
            raise ExecutionUnknown(f"the core gave no answer in {SYNC_SECONDS:.0f} s") from error
