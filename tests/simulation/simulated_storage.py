"""A disk in memory that keeps the letter of what a disk promises, and not a bit more.

What is written and not synced may, after a power cut, be there, be missing or be garbage, sector by
sector and in any order; names that were not synced may be gone. Any call may fail, and any call may
be the process's last.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from enum import Enum, auto
from pathlib import Path
from random import Random
from typing import NamedTuple

from engine.storage import Bytes, File, Lock

SECTOR_BYTES = 512
PLENTY_BYTES = 1 << 40


class Death(KeyboardInterrupt):
    """The process is no more. As this kind of exception nobody catches it, asyncio neither."""


class Fault(Enum):
    """What happens at some call."""

    KILL = auto()  # the process is killed before it
    KILL_AFTER = auto()  # or just after it
    POWER_CUT = auto()
    POWER_CUT_AFTER = auto()
    IO_ERROR = auto()
    SHORT_WRITE = auto()


class Damage(NamedTuple):
    """Bytes of a file that are neither what was written nor what was there before."""

    path: Path
    start: int
    end: int


class _Inode:
    """A file's contents as the system shows them, and as they are on the platter."""

    def __init__(self) -> None:
        self.shown = bytearray()
        self.durable = bytearray()
        self.dirty: set[int] = set()


class SimulatedDisk:
    """A `Storage` whose faults come from one random source."""

    def __init__(self, random: Random) -> None:
        self.is_full = False
        self.calls = 0
        self.damage: Damage | None = None  # to bytes of the journal, and not mended yet
        self._random = random
        self._shown: dict[Path, _Inode] = {}
        self._durable: dict[Path, _Inode] = {}
        self._unsynced: list[tuple[Path, Path | None, _Inode | None]] = []
        self._mended: list[tuple[_Inode, int, bytes]] = []
        self._locked: set[Path] = set()
        self._fault: Fault | None = None
        self._countdown = 0
        self.power_is_cut = False

    # --- What the simulation does to it ---

    def plan(self, fault: Fault, countdown: int) -> None:
        """Let `fault` come at the `countdown`-th call from now."""
        self._fault, self._countdown = fault, countdown

    def forget_plan(self) -> None:
        self._fault = None

    def end_process(self, *, power_cut: bool) -> None:
        """Its locks are free again; after a power cut only what was synced is sure to be there."""
        self._fault = None
        self.power_is_cut = False
        self._locked.clear()
        if power_cut:
            self._lose_what_was_not_synced()

    def damage_journal(self) -> None:
        """Change a bit that was synced, somewhere in the journal's written part, unless there is
        damage already: a refusal names one place."""
        if self.damage:
            return
        written = [
            (path, inode) for path, inode in sorted(self._shown.items()) if _is_segment(path)
        ]
        path, inode = self._random.choice(written)
        end = len(bytes(inode.shown).rstrip(b"\0"))
        place = self._random.randrange(end)
        self._mended.append((inode, place, bytes(inode.shown[place : place + 1])))
        inode.shown[place] ^= 1 << self._random.randrange(8)
        inode.durable[:] = inode.shown
        self.damage = Damage(path, place, place + 1)

    def damage_snapshot(self) -> bool:
        """Change a bit of the newest snapshot, for good; whether there is one."""
        snapshots = sorted(path for path in self._shown if path.suffix == ".snapshot")
        if snapshots:
            inode = self._shown[snapshots[-1]]
            inode.shown[self._random.randrange(len(inode.shown))] ^= 1 << self._random.randrange(8)
            inode.durable[:] = inode.shown
        return bool(snapshots)

    def mend(self) -> None:
        """Undo the damage, as an operator does who has a good copy."""
        for inode, place, before in reversed(self._mended):
            for contents in (inode.shown, inode.durable):
                contents[place : place + len(before)] = before
        self._mended.clear()
        self.damage = None

    def accept_damage(self) -> None:
        """It was cut off with what was never acknowledged: this is how things are now."""
        self._mended.clear()
        self.damage = None

    def _lose_what_was_not_synced(self) -> None:
        kept = self._random.randint(0, len(self._unsynced))
        for path, new_path, inode in self._unsynced[:kept]:
            self._rename_durably(path, new_path, inode)
        self._unsynced.clear()
        self._shown = dict(self._durable)
        share = self._random.choice((0.0, 0.5, 0.5, 1.0))
        for path, inode in sorted(self._shown.items()):
            self._tear(path, inode, share)

    def _tear(self, path: Path, inode: _Inode, share: float) -> None:
        """Let each unsynced sector be written with this probability; now and then one is bad."""
        if len(inode.durable) != len(inode.shown):
            size = self._random.choice((len(inode.durable), len(inode.shown)))
            inode.durable = inode.durable[:size].ljust(size, b"\0")
        dirty = sorted(inode.dirty)
        for sector in dirty:
            place = slice(sector * SECTOR_BYTES, min((sector + 1) * SECTOR_BYTES, _len(inode)))
            if self._random.random() < share and place.start < place.stop:
                inode.durable[place] = inode.shown[place]
        is_sound = self.damage is None
        if is_sound and dirty and _is_segment(path) and self._random.random() < 0.05:
            place = self._random.choice(dirty) * SECTOR_BYTES
            size = max(min(SECTOR_BYTES, len(inode.durable) - place), 0)
            self._mended.append((inode, place, bytes(inode.durable[place : place + size])))
            inode.durable[place : place + size] = self._random.randbytes(size)
            self.damage = Damage(path, place, place + size)
        inode.shown = bytearray(inode.durable)
        inode.dirty.clear()

    def _rename_durably(self, path: Path, new_path: Path | None, inode: _Inode | None) -> None:
        self._durable.pop(path, None)
        if new_path is not None and inode is not None:
            self._durable[new_path] = inode

    # --- What a file asks of it ---

    def before_call(self) -> Fault | None:
        """Count a call; the fault that is due at it."""
        self.calls += 1
        if self._fault is None:
            return None
        self._countdown -= 1
        if self._countdown > 0:
            return None
        fault, self._fault = self._fault, None
        if fault in (Fault.POWER_CUT, Fault.POWER_CUT_AFTER):
            self.power_is_cut = True
        if fault in (Fault.KILL, Fault.POWER_CUT):
            raise Death
        if fault is Fault.IO_ERROR:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return fault

    def after_call(self, fault: Fault | None) -> None:
        if fault in (Fault.KILL_AFTER, Fault.POWER_CUT_AFTER):
            raise Death

    def need_room(self) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    # --- Storage ---

    def make_folder(self, folder: Path) -> None:
        """Folders are there without being made."""

    def create(self, path: Path) -> File:
        fault = self.before_call()
        self.need_room()
        if path in self._shown:
            raise FileExistsError(path)
        inode = self._shown[path] = _Inode()
        self._unsynced.append((path, path, inode))
        self.after_call(fault)
        return SimulatedFile(self, inode)

    def open(self, path: Path) -> File:
        return SimulatedFile(self, self._inode(path))

    def map(self, path: Path) -> memoryview:
        return memoryview(bytes(self._inode(path).shown))

    def rename(self, path: Path, new_path: Path) -> None:
        fault = self.before_call()
        inode = self._inode(path)
        del self._shown[path]
        self._shown[new_path] = inode
        self._unsynced.append((path, new_path, inode))
        self.after_call(fault)

    def unlink(self, path: Path) -> None:
        fault = self.before_call()
        if self._shown.pop(path, None) is not None:
            self._unsynced.append((path, None, None))
        self.after_call(fault)

    def list(self, folder: Path, suffix: str) -> list[Path]:
        found = (path for path in self._shown if path.parent == folder)
        return sorted(path for path in found if path.name.endswith(suffix))

    def sync_folder(self, folder: Path) -> None:
        fault = self.before_call()
        rest = []
        for path, new_path, inode in self._unsynced:
            if path.parent == folder:
                self._rename_durably(path, new_path, inode)
            else:
                rest.append((path, new_path, inode))
        self._unsynced = rest
        self.after_call(fault)

    def lock(self, path: Path) -> Lock:
        if path in self._locked:
            raise BlockingIOError(path)
        self._locked.add(path)
        return _SimulatedLock(self._locked, path)

    def free_bytes(self, folder: Path) -> int:
        return 0 if self.is_full else PLENTY_BYTES

    def _inode(self, path: Path) -> _Inode:
        if path not in self._shown:
            raise FileNotFoundError(path)
        return self._shown[path]


class _SimulatedLock:
    def __init__(self, locked: set[Path], path: Path) -> None:
        self._locked, self._path = locked, path

    def release(self) -> None:
        self._locked.discard(self._path)


class SimulatedFile:
    """What `SimulatedDisk` opens."""

    def __init__(self, disk: SimulatedDisk, inode: _Inode) -> None:
        self._disk, self._inode = disk, inode

    def size(self) -> int:
        return len(self._inode.shown)

    def preallocate(self, size: int) -> None:
        fault = self._disk.before_call()
        shown = self._inode.shown
        if size > len(shown):
            self._disk.need_room()
            shown.extend(bytes(size - len(shown)))
        self._disk.after_call(fault)

    def write(self, parts: Sequence[Bytes], offset: int) -> int:
        fault = self._disk.before_call()
        data = b"".join(parts)
        shown = self._inode.shown
        if self._disk.is_full and offset + len(data) > len(shown):
            data = data[: max(len(shown) - offset, 0)]
            if not data:
                self._disk.need_room()
        if fault is Fault.SHORT_WRITE:
            data = data[: len(data) // 2]
        end = offset + len(data)
        if end > len(shown):
            shown.extend(bytes(end - len(shown)))
        shown[offset:end] = data
        self._inode.dirty.update(range(offset // SECTOR_BYTES, -(-end // SECTOR_BYTES)))
        self._disk.after_call(fault)
        return len(data)

    def read(self, size: int, offset: int) -> bytes:
        return bytes(self._inode.shown[offset : offset + size])

    def truncate(self, size: int) -> None:
        fault = self._disk.before_call()
        shown = self._inode.shown
        del shown[size:]
        shown.extend(bytes(size - len(shown)))
        self._inode.dirty.add(size // SECTOR_BYTES)
        self._disk.after_call(fault)

    def sync(self) -> None:
        inode = self._inode
        try:
            fault = self._disk.before_call()
        except OSError:
            # The system gives up: it takes what it could not write for written.
            inode.durable = inode.durable[: len(inode.shown)].ljust(len(inode.shown), b"\0")
            inode.dirty.clear()
            raise
        size = len(inode.shown)
        inode.durable = inode.durable[:size].ljust(size, b"\0")
        for sector in inode.dirty:
            place = slice(sector * SECTOR_BYTES, min((sector + 1) * SECTOR_BYTES, size))
            inode.durable[place] = inode.shown[place]
        inode.dirty.clear()
        self._disk.after_call(fault)

    def close(self) -> None:
        """Nothing is lost or won by it."""


def _is_segment(path: Path) -> bool:
    return path.suffix == ".journal"


def _len(inode: _Inode) -> int:
    return len(inode.durable)
