"""The engine behind a link that breaks: for tests of what is finished after a crash."""

from __future__ import annotations

from typing import Any


class BrokenLinkError(Exception):
    """What a port raises when it cannot say whether the command arrived."""


class FailingPort:
    """The exchange behind a link that breaks at the given command, before or after it acts."""

    def __init__(self, exchange: Any, breaks_at: int, acts: bool) -> None:
        self.exchange, self.breaks_at, self.acts = exchange, breaks_at, acts
        self.account = exchange.account
        self.balances = exchange.balances

    def submit(self, commands: Any) -> Any:
        self.breaks_at -= 1
        if self.breaks_at >= 0:
            return self.exchange.submit(commands)
        if self.acts:
            self.exchange.submit(commands)
        raise BrokenLinkError
