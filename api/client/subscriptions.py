"""What a stream knows of each channel that it follows: where its chain stands, who listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api.client.book import Book

PRIVATE_CHANNELS = frozenset({"orders", "fills", "balances"})

Push = dict[str, Any]
Handler = Callable[[Push], None]


class Subscription:
    """A channel, and of private ones whose past is replayed the place where to go on."""

    def __init__(
        self, name: str, symbol: str | None, handler: Handler | None, replay_from: int | None
    ) -> None:
        self.name = name
        self.symbol = symbol
        self.book = Book(symbol) if name == "book" and symbol is not None else None
        self._handler = handler
        # Market data: the latest message of the chain; None until a snapshot comes.
        self._latest: int | None = None
        # Orders and fills: the first sequence still wanted, and what of it has come already.
        self._position = replay_from
        self._seen: set[tuple[str | None, str]] = set()

    @property
    def is_private(self) -> bool:
        return self.name in PRIVATE_CHANNELS

    def wanted(self) -> dict[str, Any]:
        """The channel as `subscribe` names it, from where it stands."""
        if self.symbol is not None:
            return {"name": self.name, "symbol": self.symbol}
        if self._position is None or self.name == "balances":
            return {"name": self.name}
        return {"name": self.name, "replay_from": self._position}

    def begin(self, sequence: int) -> None:
        """It is subscribed to as of `sequence`; what came before was not asked for."""
        if self._position is None:
            self._position = sequence + 1

    def disconnect(self) -> None:
        """Market data begins again with a snapshot."""
        self._latest = None
        if self.book is not None:
            self.book.is_current = False

    def take(self, push: Push) -> bool:
        """Follow a message and hand it on; false if something was missed: a snapshot is needed.

        Raises RuntimeError for a whole book that is not what its checksum says.
        """
        if self.is_private:
            if self.name == "balances" or self._is_new(push):
                self._hand_on(push)
            return True
        is_snapshot = push["type"] == "snapshot"
        if not is_snapshot:
            if self._latest is None:
                return True  # a snapshot is on its way
            if push["previous_sequence"] != self._latest:
                self.disconnect()
                return False
        if self.book is not None and not self.book.apply(push):
            if is_snapshot:
                raise RuntimeError(f"the snapshot of {self.symbol} does not have its checksum")
            self.disconnect()
            return False
        self._latest = push["sequence"]
        self._hand_on(push)
        return True

    def _is_new(self, push: Push) -> bool:
        """Replays begin with the latest sequence, of which a part may have come already."""
        sequence, data = push["sequence"], push["data"]
        if self._position is not None and sequence < self._position:
            return False
        if sequence != self._position:
            self._seen.clear()
            self._position = sequence
        name = (data.get("trade_id"), data["order_id"])
        if name in self._seen:
            return False
        self._seen.add(name)
        return True

    def _hand_on(self, push: Push) -> None:
        if self._handler is not None:
            self._handler(push)
