"""Room that is kept for a bad day: what journal and event log go on with when the disk is full."""

from __future__ import annotations

import contextlib
from pathlib import Path

from engine.storage import Storage

# With less than this left on the disk no new orders are taken, though nothing has failed yet:
# other files grow too.
MINIMUM_FREE_BYTES = 96 << 20
_NAME = "reserve"


class Reserve:
    """A file of zeros for which the disk has given room already, to become somebody's segment."""

    def __init__(self, storage: Storage, folder: Path, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._storage = storage
        self._folder = folder
        self._path = folder / _NAME
        self._is_there = False

    def is_ready(self) -> bool:
        """Whether it is there and the disk has room beside it. Where it was used up, it is made
        again as soon as there is."""
        try:
            has_room = self._storage.free_bytes(self._folder) >= MINIMUM_FREE_BYTES
            if has_room and not self._is_there:
                self._make()
        except OSError:
            # Full, or worse; whatever it is, the next write will meet it.
            return False
        return has_room and self._is_there

    def take(self, path: Path) -> bool:
        """Let the reserve be the file `path`, whose name is not synced; False if there is none."""
        if not self._is_there:
            return False
        self._is_there = False
        self._storage.rename(self._path, path)
        return True

    def find(self) -> None:
        """Look for one that an earlier process has left."""
        if self._path in self._storage.list(self._folder, _NAME):
            file = self._storage.open(self._path)
            self._is_there = file.size() == self.size_bytes
            file.close()

    def _make(self) -> None:
        self._storage.unlink(self._path)
        file = self._storage.create(self._path)
        try:
            file.preallocate(self.size_bytes)
            # Not for the contents, which are zeros: for the room.
            file.sync()
        except OSError:
            with contextlib.suppress(OSError):
                self._storage.unlink(self._path)
            raise
        finally:
            file.close()
        self._is_there = True
