"""A data folder looked at from outside, whether or not a core is running in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from api.core_client import CoreClient, CoreUnavailable
from engine.archive import archive_below
from engine.archivist import covered_sequence
from engine.event_log import EVENTS_FOLDER, SUFFIX
from engine.journal import JOURNAL_FOLDER, Journal, open_segments, read_entries, read_marks
from engine.journal_format import FIRST_CHAIN, Batch, JournalError, StateDivergedError
from engine.link import SOCKET_NAME
from engine.recorded_events import RecordedEvents
from engine.replay import following, named_by_reference, replay, restore
from engine.segments import first_sequence_of
from engine.snapshot import SNAPSHOTS_FOLDER
from engine.state import EngineLimits
from engine.storage import DISK

if TYPE_CHECKING:
    from engine.matching.engine import Engine


class FolderError(Exception):
    """There is nothing to work with, said in a sentence."""


def last_durable(data_dir: Path) -> int:
    """The last command that is on disk for good: the running core says it, or else the journal,
    whose torn tail is cut then. Raises FolderError, JournalError."""
    if not (data_dir / JOURNAL_FOLDER).is_dir():
        raise FolderError(f"no journal in {data_dir}")
    try:
        return asyncio.run(_ask_core(data_dir))
    except CoreUnavailable:
        journal = Journal(data_dir / JOURNAL_FOLDER, EngineLimits())
        journal.close()
        return journal.last_sequence


def consumed_sequence(database_url: str) -> int:
    """The last command that the one consumer with a checkpoint, the intake, has taken; 0 where the
    database does not tell."""
    # Here, because no other tool should wait for them.
    from sqlalchemy.exc import SQLAlchemyError

    from settlement.database import Database
    from settlement.intake import checkpoint

    database = Database(database_url)
    try:
        with database.read() as session:
            return checkpoint(session)
    except SQLAlchemyError:
        return 0
    finally:
        database.close()


def archive(data_dir: Path, database_url: str) -> tuple[int, int]:
    """Put away what neither a start nor a consumer needs: how many segments, before which command.

    Raises FolderError, JournalError (a core may not be running), OSError.
    """
    if not (data_dir / JOURNAL_FOLDER).is_dir():
        raise FolderError(f"no journal in {data_dir}")
    below = min(consumed_sequence(database_url), covered_sequence(data_dir / SNAPSHOTS_FOLDER))
    journal = Journal(data_dir / JOURNAL_FOLDER, EngineLimits())
    try:
        count = journal.archive_below(below)
        events = DISK.list(data_dir / EVENTS_FOLDER, SUFFIX)
        return count + archive_below(DISK, events, below), below
    finally:
        journal.close()


async def _ask_core(data_dir: Path) -> int:
    client = await CoreClient.connect(data_dir / SOCKET_NAME, "tool")
    try:
        await client.subscribe(0)
        return client.delivered_sequence
    finally:
        await client.close()


def replayed(
    data_dir: Path, until: int, *, in_full: bool, on_progress: Callable[[int], None]
) -> Engine:
    """An engine after command `until`, its events compared with the recorded ones.

    From the newest snapshot before it, or with `in_full` from the first command, comparing the
    state with every mark on the way. Raises JournalError.
    """
    # Here, because no other tool should wait for the compiled engine.
    from engine.matching.engine import Engine

    segments, limits = open_segments(data_dir / JOURNAL_FOLDER)
    engine = Engine(limits)
    header = None
    if not in_full:
        header = restore(
            engine, limits, data_dir / SNAPSHOTS_FOLDER, until, lambda _: True, may_be_ahead=True
        )
    begin, chain = (header.sequence, header.chain) if header else (0, FIRST_CHAIN)
    recorded = RecordedEvents(data_dir / EVENTS_FOLDER, begin + 1)

    def take(events: np.ndarray) -> None:
        if recorded.is_there:
            recorded.compare(events)
        on_progress(engine.sequence)

    marks = read_marks(segments, begin + 1)
    entries = read_entries(segments, max(begin, 1), until)
    try:
        replay(_until(following(entries, begin, chain), until), engine, take, marks)
    except StateDivergedError as error:
        first = first_sequence_of(segments.paths()[0])
        read = lambda: read_entries(segments, first, until)  # noqa: E731
        raise named_by_reference(error, read, Engine, limits) from error
    if engine.sequence != until:
        raise JournalError(f"there is no command {until}: the last is {engine.sequence}")
    return engine


def _until(batches: Iterator[Batch], sequence: int) -> Iterator[Batch]:
    """The last batch may hold more commands than are asked for."""
    for batch in batches:
        beyond = int(batch.records[-1]["sequence"]) - sequence
        yield batch._replace(records=batch.records[:-beyond]) if beyond > 0 else batch
