"""From the journal back to the engine's state and the event log, at each start of the core."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import structlog
from rich.console import Console
from rich.progress import Progress

from engine.event_log import EventLog
from engine.journal import Journal
from engine.queries import MatchingEngine
from engine.records import COMMAND

# Journal batches may hold one command each; the engine gets them in groups of about this many.
GROUP_COMMANDS = 4096
_log = structlog.get_logger("core")


def replay(journal: Journal, engine: MatchingEngine, event_log: EventLog) -> None:
    """Apply every command of `journal` to the fresh `engine`, and make `event_log` agree."""
    began = time.monotonic()
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Replaying the journal", total=journal.last_sequence)
        for commands in _groups(journal.read()):
            event_log.append(engine.apply(commands))
            progress.update(task, completed=engine.sequence)
    event_log.trim()
    assert engine.sequence == journal.last_sequence
    _log.info(
        "core: journal replayed",
        commands=journal.last_sequence,
        seconds=round(time.monotonic() - began, 3),
    )


def _groups(batches: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The same commands in larger arrays of their own, which the engine may take as writable."""
    group = bytearray()
    for batch in batches:
        group += batch.view(np.uint8).data
        if len(group) >= GROUP_COMMANDS * COMMAND.itemsize:
            yield np.frombuffer(group, COMMAND)
            group = bytearray()
    if group:
        yield np.frombuffer(group, COMMAND)
