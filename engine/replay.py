"""From the disk back to the engine's state and the event log, at each start of the core.

The newest sound snapshot is taken, and the journal behind it replayed. A snapshot counts only if
the event log has everything up to it, because events before it could not be made again: without
them an older snapshot is taken, or none and the journal is replayed from its beginning.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import structlog
from rich.console import Console
from rich.progress import Progress

from engine.event_log import EventLog
from engine.journal import Journal
from engine.journal_format import FIRST_CHAIN, Batch, JournalDamagedError
from engine.queries import MatchingEngine
from engine.records import COMMAND
from engine.snapshot import (
    SnapshotError,
    SnapshotHeader,
    fingerprint,
    list_snapshots,
    load_snapshot,
    read_header,
)
from engine.state import EngineLimits

# Journal batches may hold one command each; the engine gets them in groups of about this many.
GROUP_COMMANDS = 4096
# How many groups may be read and checked ahead of the engine.
_GROUPS_AHEAD = 16
_log = structlog.get_logger("core")

MakeEngine = Callable[[EngineLimits], MatchingEngine]
TakeEvents = Callable[[np.ndarray], None]


def recover(
    journal: Journal, make_engine: MakeEngine, event_log: EventLog, snapshots: Path
) -> MatchingEngine:
    """The engine as it was after the journal's last command; `event_log` then agrees with it.

    Raises JournalDamagedError.
    """
    engine = make_engine(journal.limits)
    header = restore(engine, journal.limits, snapshots, journal.last_sequence, event_log.resume)
    sequence, chain = (header.sequence, header.chain) if header else (0, FIRST_CHAIN)
    began = time.monotonic()
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Replaying the journal", total=journal.last_sequence)

        def take(events: np.ndarray) -> None:
            event_log.append(events)
            progress.update(task, completed=engine.sequence)

        replay(following(journal.read_batches(max(sequence, 1)), sequence, chain), engine, take)
    event_log.trim()
    assert engine.sequence == journal.last_sequence
    _log.info(
        "core: journal replayed",
        snapshot=sequence,
        commands=journal.last_sequence - sequence,
        seconds=round(time.monotonic() - began, 3),
    )
    return engine


def restore(
    engine: MatchingEngine,
    limits: EngineLimits,
    snapshots: Path,
    last_sequence: int,
    is_usable: Callable[[int], bool],
) -> SnapshotHeader | None:
    """Give a fresh engine the newest sound snapshot up to `last_sequence` that `is_usable`.

    None: there is none, and the engine is as it was. Every one that is passed over is named.
    Raises JournalDamagedError if one is ahead of the journal.
    """
    memory = engine.memory()
    for path in list_snapshots(snapshots) if memory else []:
        try:
            header = read_header(path)
            if header.fingerprint != fingerprint(memory, limits):
                raise SnapshotError(f"{path}: it is of an engine with another layout")
            loaded = load_snapshot(path, header, memory)
        except (SnapshotError, OSError) as error:
            _log.error("core: snapshot passed over", why=str(error))
            continue
        if header.sequence > last_sequence:
            # It was made of commands that were on disk, so they are there no longer.
            raise JournalDamagedError(
                f"the journal ends with command {last_sequence}, before the snapshot {path}"
            )
        if is_usable(header.sequence):
            engine.restore(loaded)
            _log.info("core: snapshot taken", sequence=header.sequence)
            return header
        _log.warning(
            "core: snapshot passed over", why=f"{path}: the event log does not reach so far"
        )
    return None


def following(batches: Iterator[Batch], sequence: int, chain: bytes) -> Iterator[Batch]:
    """The batches after `sequence`, of those from the one that holds it (or from the first).

    Raises JournalDamagedError unless the journal's chain behind it is `chain`.
    """
    if sequence:
        first = next(batches)
        if int(first.records[-1]["sequence"]) != sequence or first.chain != chain:
            raise JournalDamagedError(
                f"the snapshot of command {sequence} does not belong to this journal, or the"
                " journal was changed before it"
            )
    yield from batches


def replay(batches: Iterator[Batch], engine: MatchingEngine, take: TakeEvents) -> bytes:
    """Apply all commands and give their events to `take`; the journal's chain behind the last.

    Another thread reads and checks ahead, so checking the journal costs the engine no time.
    """
    chain = FIRST_CHAIN
    groups = _groups(batches)
    with ThreadPoolExecutor(1, "replay") as reader:
        ahead = deque(reader.submit(next, groups, None) for _ in range(_GROUPS_AHEAD))
        while group := ahead.popleft().result():
            ahead.append(reader.submit(next, groups, None))
            take(engine.apply(group.commands))
            chain = group.chain
    return chain


class _Group(NamedTuple):
    commands: np.ndarray
    chain: bytes


def _groups(batches: Iterator[Batch]) -> Iterator[_Group]:
    """The same commands in larger arrays, so that small batches cost the engine no more."""
    commands, chain = bytearray(), FIRST_CHAIN
    for batch in batches:
        if not commands and len(batch.records) >= GROUP_COMMANDS:
            yield _Group(batch.records, batch.chain)
            continue
        commands += batch.records.view(np.uint8).data
        chain = batch.chain
        if len(commands) >= GROUP_COMMANDS * COMMAND.itemsize:
            yield _Group(np.frombuffer(commands, COMMAND), chain)
            commands = bytearray()
    if commands:
        yield _Group(np.frombuffer(commands, COMMAND), chain)
