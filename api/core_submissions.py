"""Commands on their way to the core, and who is told of their replies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np

OnReplies = Callable[[np.ndarray], None]
OnFailure = Callable[[Exception], None]


class Submission:
    """Commands sent together, and how many of them were replied to."""

    def __init__(self, first_request_id: int, size: int) -> None:
        self.first_request_id = first_request_id
        self.size = size
        self.replied = 0

    def take(self, events: np.ndarray, rows: np.ndarray, sequences: np.ndarray) -> None:
        """The next replies: the row and the sequence of each."""
        self.replied += len(rows)

    def fail(self, error: Exception) -> None:
        """No more replies will come. Called again, it does nothing."""


class AwaitedSubmission(Submission):
    """Commands of one `submit`, their events apart, and who waits for all of them."""

    def __init__(self, first_request_id: int, size: int, done: asyncio.Future[None]) -> None:
        super().__init__(first_request_id, size)
        self.replies: list[np.ndarray] = []
        self.done = done

    def take(self, events: np.ndarray, rows: np.ndarray, sequences: np.ndarray) -> None:
        super().take(events, rows, sequences)
        ends = np.searchsorted(events["sequence"], sequences, side="right")
        bounds = zip(rows.tolist(), ends.tolist(), strict=True)
        self.replies.extend([events[start:end] for start, end in bounds])
        if self.replied == self.size and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class CalledSubmission(Submission):
    """Commands of one `send`, and what is called for them."""

    def __init__(
        self, first_request_id: int, size: int, on_replies: OnReplies, on_failure: OnFailure
    ) -> None:
        super().__init__(first_request_id, size)
        self._on_replies = on_replies
        self._on_failure: OnFailure | None = on_failure

    def take(self, events: np.ndarray, rows: np.ndarray, sequences: np.ndarray) -> None:
        super().take(events, rows, sequences)
        self._on_replies(sequences)

    def fail(self, error: Exception) -> None:
        if self._on_failure is not None:
            self._on_failure(error)
            self._on_failure = None
