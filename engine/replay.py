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

from engine.divergence import MakeEngine, first_differing
from engine.event_log import EventLog
from engine.journal import Journal
from engine.journal_format import (
    FIRST_CHAIN,
    Batch,
    JournalDamagedError,
    Mark,
    StateDivergedError,
)
from engine.queries import MatchingEngine
from engine.records import COMMAND
from engine.snapshot import (
    SnapshotError,
    SnapshotHeader,
    fingerprint,
    list_snapshots,
    load_snapshot,
    newest_header,
    read_header,
)
from engine.state import EngineLimits, state_hash
from engine.storage import DISK, Storage

# Journal batches may hold one command each; the engine gets them in groups of about this many.
GROUP_COMMANDS = 4096
# How many groups may be read and checked ahead of the engine.
_GROUPS_AHEAD = 16
_log = structlog.get_logger("core")

TakeEvents = Callable[[np.ndarray], None]
Entry = Batch | Mark
# State hashes by the sequence of the command that they are the state after.
Marks = dict[int, str]


def recover(
    journal: Journal,
    make_engine: MakeEngine,
    event_log: EventLog,
    snapshots: Path,
    storage: Storage = DISK,
    *,
    read_ahead: bool = True,
) -> MatchingEngine:
    """The engine as it was after the journal's last command; `event_log` then agrees with it.

    Raises JournalDamagedError, ReplayDivergedError.
    """
    engine = make_engine(journal.limits)
    last_sequence = journal.last_sequence
    header = restore(engine, journal.limits, snapshots, last_sequence, event_log.resume, storage)
    sequence, chain = (header.sequence, header.chain) if header else (0, FIRST_CHAIN)
    newest = newest_header(snapshots, storage)
    # A mark is made with a snapshot, so there is none behind the newest one.
    has_marks = newest is None or newest.sequence != sequence
    marks = journal.read_marks(sequence + 1) if has_marks else {}
    began = time.monotonic()
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Replaying the journal", total=last_sequence)

        def take(events: np.ndarray) -> None:
            event_log.append(events)
            progress.update(task, completed=engine.sequence)

        entries = journal.read_entries(max(sequence, 1))
        try:
            batches = following(entries, sequence, chain)
            replay(batches, engine, take, marks, read_ahead=read_ahead)
        except StateDivergedError as error:
            first = event_log.first_difference
            if first:
                which = f"command {first} is the first whose events are others now"
                raise StateDivergedError(error.agreed, error.sequence, which) from error
            read = lambda: journal.read_entries(journal.first_sequence)  # noqa: E731
            raise named_by_reference(error, read, make_engine, journal.limits) from error
    event_log.trim()
    assert engine.sequence == last_sequence
    _log.info(
        "core: journal replayed",
        snapshot=sequence,
        commands=last_sequence - sequence,
        seconds=round(time.monotonic() - began, 3),
    )
    return engine


def restore(
    engine: MatchingEngine,
    limits: EngineLimits,
    snapshots: Path,
    last_sequence: int,
    is_usable: Callable[[int], bool],
    storage: Storage = DISK,
    *,
    may_be_ahead: bool = False,
) -> SnapshotHeader | None:
    """Give a fresh engine the newest sound snapshot up to `last_sequence` that `is_usable`.

    None: there is none, and the engine is as it was. Every one that is passed over is named.
    Unless it `may_be_ahead`, JournalDamagedError is raised for one of a later command.
    """
    memory = engine.memory()
    for path in list_snapshots(snapshots, storage) if memory else []:
        try:
            header = read_header(path, storage)
            if may_be_ahead and header.sequence > last_sequence:
                continue
            if header.fingerprint != fingerprint(memory, limits):
                raise SnapshotError(f"{path}: it is of an engine with another layout")
            loaded = load_snapshot(path, header, memory, storage)
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


def following(entries: Iterator[Entry], sequence: int, chain: bytes) -> Iterator[Batch]:
    """The batches after `sequence`, of entries from the one that holds it (or from the first).

    Raises JournalDamagedError unless the journal's chain behind it, or behind one of the marks that
    follow it, is `chain`.
    """
    is_known = sequence == 0
    for entry in entries:
        if isinstance(entry, Mark) or int(entry.records[-1]["sequence"]) == sequence:
            is_known |= entry.chain == chain
        elif is_known:
            yield entry
        else:
            break
    if not is_known:
        raise JournalDamagedError(
            f"the snapshot of command {sequence} does not belong to this journal, or the journal"
            " was changed before it"
        )


def replay(
    batches: Iterator[Batch],
    engine: MatchingEngine,
    take: TakeEvents,
    marks: Marks | None = None,
    *,
    read_ahead: bool = True,
) -> bytes:
    """Apply all commands and give their events to `take`; the journal's chain behind the last.

    With `read_ahead` another thread reads and checks the journal, which then costs the engine no
    time. Raises ReplayDivergedError where the state is not the one that was noted.
    """
    chain, marks, agreed = FIRST_CHAIN, marks or {}, engine.sequence
    groups = _groups(batches, marks)
    for group in _ahead(groups) if read_ahead else groups:
        take(engine.apply(group.commands))
        chain = group.chain
        if noted := marks.get(engine.sequence):
            if state_hash(engine.export()) != noted:
                raise StateDivergedError(agreed, engine.sequence)
            agreed = engine.sequence
    return chain


def named_by_reference(
    error: StateDivergedError,
    read: Callable[[], Iterator[Entry]],
    make_engine: MakeEngine,
    limits: EngineLimits,
) -> StateDivergedError:
    """The error with the first differing command, if the reference engine can tell it: it begins
    with command 1, and needs a minute for a million commands. `read` gives the journal's entries.
    """
    agreed, sequence = error.agreed, error.sequence

    def groups() -> Iterator[np.ndarray]:
        entries = (entry for entry in read() if isinstance(entry, Batch))
        for group in _groups(entries, {agreed: "", sequence: ""}):
            yield group.commands
            if int(group.commands[-1]["sequence"]) >= sequence:
                return

    if int(next(groups())[0]["sequence"]) != 1:
        return error
    _log.error("core: asking the reference engine which command it is", why=str(error))
    first = first_differing(groups, make_engine, limits, agreed)
    if first:
        which = f"command {first} is the first that this engine does otherwise than the reference"
    else:
        which = (
            f"the first command that differs is one of {agreed + 1} to {sequence}, and the"
            " reference engine does as this one does: another version noted the state"
        )
    return StateDivergedError(agreed, sequence, which)


class _Group(NamedTuple):
    commands: np.ndarray
    chain: bytes


def _ahead(groups: Iterator[_Group]) -> Iterator[_Group]:
    with ThreadPoolExecutor(1, "replay") as reader:
        ahead = deque(reader.submit(next, groups, None) for _ in range(_GROUPS_AHEAD))
        while group := ahead.popleft().result():
            ahead.append(reader.submit(next, groups, None))
            yield group


def _groups(batches: Iterator[Batch], marks: Marks) -> Iterator[_Group]:
    """The same commands in larger arrays, so that small batches cost the engine no more. One ends
    with each command that has a mark."""
    commands, chain = bytearray(), FIRST_CHAIN
    for batch in batches:
        chain = batch.chain
        if not commands and len(batch.records) >= GROUP_COMMANDS:
            yield _Group(batch.records, chain)
            continue
        commands += batch.records.view(np.uint8).data
        is_marked = int(batch.records[-1]["sequence"]) in marks
        if is_marked or len(commands) >= GROUP_COMMANDS * COMMAND.itemsize:
            yield _Group(np.frombuffer(commands, COMMAND), chain)
            commands = bytearray()
    if commands:
        yield _Group(np.frombuffer(commands, COMMAND), chain)
