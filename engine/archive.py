"""Segments that nobody needs any more, put away: those of the journal, and those of its events."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from engine.storage import Storage

ARCHIVE_FOLDER = "archive"


def archive_below(storage: Storage, paths: list[Path], sequence: int, *, keep: bool = True) -> int:
    """Take away the segments whose commands all come before `sequence`; how many they were.

    `paths` are all of a folder, oldest first, each named after its first command. They go into the
    folder `archive` beside them, or for ever. The oldest goes first, so whenever this is
    interrupted the rest hangs together. Raises OSError.
    """
    count = 0
    for path, following in pairwise(paths):
        if int(following.stem) > sequence:
            break
        if keep:
            archive = path.parent / ARCHIVE_FOLDER
            storage.make_folder(archive)
            storage.rename(path, archive / path.name)
            storage.sync_folder(archive)
        else:
            storage.unlink(path)
        storage.sync_folder(path.parent)
        count += 1
    return count
