"""The thread that makes batches durable while the core forms the next one and runs the engine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

import numpy as np

from engine.journal import Journal


class GroupCommit:
    """Appends batches to the journal in the order given; both callbacks run in its own thread.

    After a failure it does nothing more: the process must end and recover from disk.
    """

    def __init__(
        self,
        journal: Journal,
        on_synced: Callable[[int], None],
        on_failed: Callable[[BaseException], None],
    ) -> None:
        self._journal = journal
        self._on_synced = on_synced
        self._on_failed = on_failed
        self._queue: SimpleQueue[np.ndarray | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def put(self, batch: np.ndarray) -> None:
        self._queue.put(batch)

    def stop(self) -> None:
        """Finish what was put, and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            while (batch := self._queue.get()) is not None:
                self._on_synced(self._journal.append(batch))
        except BaseException as error:
            self._on_failed(error)
