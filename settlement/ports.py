"""What settlement needs of the engine, blocking, for worker threads.

The gateway and the command line hand in their connection to the core; the tests an engine in the
same process. Answers carry the arrays of `engine.records` (ACCOUNT_STATE and so on).
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

Records = np.ndarray[Any, np.dtype[Any]]


class AccountAnswer(Protocol):
    """One account as of `sequence`; `account` has one row."""

    @property
    def sequence(self) -> int: ...
    @property
    def account(self) -> Records: ...
    @property
    def positions(self) -> Records: ...
    @property
    def allowances(self) -> Records: ...


class BalancesAnswer(Protocol):
    """All accounts as of `sequence`; `accounts` is indexed by account number."""

    @property
    def sequence(self) -> int: ...
    @property
    def accounts(self) -> Records: ...
    @property
    def positions(self) -> Records: ...
    @property
    def allowances(self) -> Records: ...


class EnginePort(Protocol):
    """The engine, seen from a worker thread."""

    def submit(self, commands: Records) -> list[Records]:
        """Submit commands (dtype COMMAND); the events (dtype EVENT) of each, its reply first."""
        ...

    def account(self, number: int) -> AccountAnswer: ...

    def balances(self) -> BalancesAnswer: ...
