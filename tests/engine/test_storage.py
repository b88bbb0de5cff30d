"""The seam to the disk: the real one and the simulated one do the same while nothing fails."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from simulated_storage import SimulatedDisk

from engine.storage import DiskStorage, Storage


@pytest.fixture(params=["disk", "simulated"])
def storage(request: pytest.FixtureRequest) -> Storage:
    """Either of them."""
    return DiskStorage() if request.param == "disk" else SimulatedDisk(Random(1))


def test_a_file_is_what_was_written(storage: Storage, tmp_path: Path) -> None:
    """In parts, behind zeros that were asked for, cut again; read and mapped alike."""
    storage.make_folder(tmp_path / "a" / "b")
    path = tmp_path / "a" / "b" / "file"
    file = storage.create(path)
    file.preallocate(1_000)
    assert file.size() == 1_000
    assert file.write([b"one", memoryview(b"two")], 10) == 6
    file.sync()
    assert file.read(8, 9) == b"\0onetwo\0"
    assert bytes(storage.map(path)) == bytes(10) + b"onetwo" + bytes(984)
    file.truncate(12)
    file.close()
    assert bytes(storage.map(path)) == bytes(10) + b"on"
    again = storage.open(path)
    assert again.size() == 12
    again.close()


def test_names(storage: Storage, tmp_path: Path) -> None:
    """A name is taken once, moves, and goes; lists are sorted."""
    names = [tmp_path / name for name in ("2.x", "1.x", "3.y")]
    for name in names:
        storage.create(name).close()
    with pytest.raises(FileExistsError):
        storage.create(names[0])
    assert storage.list(tmp_path, ".x") == [names[1], names[0]]
    storage.rename(names[2], names[0])
    storage.unlink(names[1])
    storage.unlink(names[1])
    storage.sync_folder(tmp_path)
    assert storage.list(tmp_path, "") == [names[0]]
    with pytest.raises(FileNotFoundError):
        storage.open(names[1])


def test_a_lock_is_held_by_one(storage: Storage, tmp_path: Path) -> None:
    """Until it is given back."""
    lock = storage.lock(tmp_path / "lock")
    with pytest.raises(BlockingIOError):
        storage.lock(tmp_path / "lock")
    lock.release()
    storage.lock(tmp_path / "lock").release()
    assert storage.free_bytes(tmp_path) > 0
