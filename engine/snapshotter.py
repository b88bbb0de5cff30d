"""Makes a snapshot beside a running core: `python -m engine.snapshotter DATA SEQUENCE`.

It is a second engine that takes the newest snapshot, replays the journal behind it up to a command
that is on disk, and writes what it then is. The core itself does nothing for it, so matching never
waits; and each snapshot is a replay that has succeeded: were its events others than those that the
core gave, it would say so instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.event_log import EVENTS_FOLDER
from engine.journal import JOURNAL_FOLDER, open_segments, read_entries
from engine.journal_format import FIRST_CHAIN, JournalError, ReplayDivergedError
from engine.matching.engine import Engine
from engine.queries import MatchingEngine
from engine.recorded_events import RecordedEvents
from engine.replay import following, replay, restore
from engine.snapshot import SNAPSHOTS_FOLDER, SnapshotHeader, read_header, write_snapshot
from engine.snapshot_keeper import EXIT_DIVERGED
from engine.state import EngineLimits, state_hash
from engine.storage import DISK, Storage

EXIT_FAILED = 1
_NICENESS = 10


def make_snapshot(
    data_dir: Path,
    sequence: int,
    make_engine: Callable[[EngineLimits], MatchingEngine] = Engine,
    on_progress: Callable[[int], None] = lambda _: None,
    storage: Storage = DISK,
) -> SnapshotHeader:
    """Write a snapshot of the state after command `sequence`, the last of its batch.

    Raises JournalError, ReplayDivergedError, OSError.
    """
    folder, snapshots = data_dir / JOURNAL_FOLDER, data_dir / SNAPSHOTS_FOLDER
    segments, limits = open_segments(folder, storage)
    engine = make_engine(limits)
    header = restore(
        engine, limits, snapshots, sequence, lambda _: True, storage, may_be_ahead=True
    )
    if header and header.sequence == sequence:
        return header
    begin, chain = (header.sequence, header.chain) if header else (0, FIRST_CHAIN)
    recorded = RecordedEvents(data_dir / EVENTS_FOLDER, begin + 1, storage)

    def take(events: np.ndarray) -> None:
        recorded.compare(events)
        on_progress(engine.sequence)

    entries = read_entries(segments, max(begin, 1), sequence)
    batches = following(entries, begin, chain)
    chain = replay(batches, engine, take, read_ahead=storage is DISK)
    recorded.sync()
    digest = state_hash(engine.export())
    path = write_snapshot(
        snapshots, engine.memory(), limits, engine.sequence, chain, digest, storage
    )
    return read_header(path, storage)


def main(data_dir: Path, sequence: int) -> int:
    """Make one in the background of the machine; the exit status. What failed goes to stdout."""
    os.nice(_NICENESS)
    try:
        make_snapshot(data_dir, sequence)
    except ReplayDivergedError as error:
        print(error)
        return EXIT_DIVERGED
    except (JournalError, OSError) as error:
        print(error)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
