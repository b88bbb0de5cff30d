"""What settlement needs of the engine, blocking, for worker threads.

Gateways, the back office and the command line hand in their connection to the core; the tests an
engine in the same process.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from engine.queries import AccountAnswer, BalancesAnswer

Records = np.ndarray[Any, np.dtype[Any]]


class EnginePort(Protocol):
    """The engine, seen from a worker thread."""

    def submit(self, commands: Records) -> list[Records]:
        """Submit commands (dtype COMMAND); the events (dtype EVENT) of each, its reply first."""
        ...

    def account(self, number: int) -> AccountAnswer: ...

    def balances(self) -> BalancesAnswer: ...
