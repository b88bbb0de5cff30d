"""Files and folders as whoever makes something durable needs them, and the real ones.

Journal, event log and snapshots take a `Storage` as an argument and touch no file in any other way:
so the simulator can give them a disk that loses, tears, reorders and damages what was not synced,
runs full, fails, and dies at any of these calls. All of them raise OSError.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

Bytes = bytes | bytearray | memoryview


class Sizes(NamedTuple):
    """How large the files are that a core makes."""

    journal_segment_bytes: int = 64 << 20
    event_segment_bytes: int = 256 << 20
    reserve_bytes: int = 8 << 20


SIZES = Sizes()
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class Lock(Protocol):
    """Held until it is released, or its process ends."""

    def release(self) -> None: ...


class File(Protocol):
    """An open file. What was written is safe only once `sync` has returned."""

    def size(self) -> int: ...

    def preallocate(self, size: int) -> None:
        """Let the file be at least `size` bytes long, with room on the disk for all of them."""

    def write(self, parts: Sequence[Bytes], offset: int) -> int:
        """Write `parts`, one behind the other; how many bytes the disk took."""

    def read(self, size: int, offset: int) -> bytes: ...

    def truncate(self, size: int) -> None: ...

    def sync(self) -> None:
        """Make contents and size durable. After a failure what was not synced may be gone, and a
        second call may say that all is well: never try again."""

    def close(self) -> None: ...


class Storage(Protocol):
    """A disk. Names are safe only once `sync_folder` has returned."""

    def make_folder(self, folder: Path) -> None:
        """Make a folder that a power cut cannot take away again, and those above it."""

    def create(self, path: Path) -> File:
        """A new, empty file. Raises FileExistsError if there is one."""

    def open(self, path: Path) -> File:
        """A file that exists, to be read and written."""

    def map(self, path: Path) -> memoryview:
        """The whole of a file, read-only, as it is now."""

    def rename(self, path: Path, new_path: Path) -> None: ...

    def unlink(self, path: Path) -> None:
        """Remove a file, if it is there."""

    def list(self, folder: Path, suffix: str) -> list[Path]:
        """The folder's files whose names end in `suffix`, sorted by name."""

    def sync_folder(self, folder: Path) -> None: ...

    def lock(self, path: Path) -> Lock:
        """Take a lock that nobody else has. Raises BlockingIOError if somebody does."""

    def free_bytes(self, folder: Path) -> int:
        """How much may still be written to the disk that `folder` is on."""


def is_out_of_space(error: OSError) -> bool:
    return error.errno in _NO_SPACE


class _DiskFile:
    def __init__(self, path: Path, flags: int) -> None:
        self._descriptor = os.open(path, flags | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def preallocate(self, size: int) -> None:
        os.posix_fallocate(self._descriptor, 0, size)

    def write(self, parts: Sequence[Bytes], offset: int) -> int:
        return os.pwritev(self._descriptor, parts, offset)

    def read(self, size: int, offset: int) -> bytes:
        return os.pread(self._descriptor, size, offset)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class _DiskLock:
    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class DiskStorage:
    """The machine's own file systems."""

    def make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            self.make_folder(folder.parent)
            folder.mkdir(mode=0o700)
            self.sync_folder(folder.parent)

    def create(self, path: Path) -> File:
        return _DiskFile(path, os.O_CREAT | os.O_EXCL)

    def open(self, path: Path) -> File:
        return _DiskFile(path, 0)

    def map(self, path: Path) -> memoryview:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                return memoryview(b"")
            return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))

    def rename(self, path: Path, new_path: Path) -> None:
        path.rename(new_path)

    def unlink(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def list(self, folder: Path, suffix: str) -> list[Path]:
        return sorted(folder.glob(f"*{suffix}"))

    def sync_folder(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def lock(self, path: Path) -> Lock:
        return _DiskLock(path)

    def free_bytes(self, folder: Path) -> int:
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize


DISK: Storage = DiskStorage()
