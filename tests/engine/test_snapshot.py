"""Snapshots: the state comes back to the last byte, and damage never comes in."""

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from engine_flows import ROOMY_LIMITS, command_seeds, run_flow
from hypothesis import given, settings

from engine.matching.engine import Engine
from engine.matching.invariants import check_invariants
from engine.snapshot import (
    KEPT_SNAPSHOTS,
    SnapshotError,
    fingerprint,
    list_snapshots,
    load_snapshot,
    newest_header,
    read_header,
    remove_unfinished,
    write_snapshot,
)
from engine.state import EngineLimits, state_hash
from engine.storage import DiskStorage

CHAIN = bytes(range(32))


def _write(folder: Path, engine: Engine, sequence: int = 0) -> Path:
    digest = state_hash(engine.export())
    number = sequence or engine.sequence
    return write_snapshot(folder, engine.memory(), ROOMY_LIMITS, number, CHAIN, digest)


def _restored(path: Path) -> Engine:
    engine = Engine(ROOMY_LIMITS)
    engine.restore(load_snapshot(path, read_header(path), engine.memory()))
    return engine


def _flow(count: int = 60, seed: int = 3) -> tuple[Engine, np.ndarray]:
    """An engine after the first half of a flow, and the other half."""
    random = Random(seed)
    commands = run_flow(Engine(ROOMY_LIMITS), [random.getrandbits(32) for _ in range(count)])
    half = len(commands.commands) // 2
    engine = Engine(ROOMY_LIMITS)
    engine.apply(commands.commands[:half])
    return engine, commands.commands[half:]


@settings(max_examples=25, deadline=None)
@given(seeds=command_seeds)
def test_the_state_goes_on_as_if_nothing_had_been(seeds: list[int]) -> None:
    """From the middle of any flow on: the same events, the same hash, sound books."""
    commands = run_flow(Engine(ROOMY_LIMITS), seeds).commands
    engine = Engine(ROOMY_LIMITS)
    engine.apply(commands[: len(commands) // 2])
    with TemporaryDirectory() as folder:
        path = _write(Path(folder), engine)
        restored = _restored(path)
        assert state_hash(restored.export()) == read_header(path).state_hash
    rest = commands[len(commands) // 2 :]
    assert restored.apply(rest).tobytes() == engine.apply(rest).tobytes()
    assert state_hash(restored.export()) == state_hash(engine.export())
    check_invariants(restored.arrays)
    for name, array in engine.memory().items():
        assert restored.memory()[name].tobytes() == array.tobytes(), name


def test_what_is_not_of_the_state_is_left_out() -> None:
    """Buffers of the batch in hand are nobody's state; everything else is, wherever it lies."""
    names = set(Engine(ROOMY_LIMITS).memory())
    assert {"book.orders", "balances.used", "client_ids.seeds", "progress"} <= names
    assert not {name for name in names if name.startswith(("commands", "events", "notes"))}


def test_a_table_that_has_grown_comes_back_as_large(tmp_path: Path) -> None:
    """The client ids' table is the one array whose length is not given by the limits."""
    engine, _ = _flow()
    engine.warm_up()
    assert _restored(_write(tmp_path, engine)).memory()["client_ids.entries"].nbytes > 1 << 20


def test_damage_is_found_wherever_it_is(tmp_path: Path) -> None:
    """A flipped bit or a missing byte anywhere in the file, and nothing is loaded."""
    engine, _ = _flow()
    path = _write(tmp_path, engine)
    sound = path.read_bytes()
    memory = engine.memory()
    random = Random(20_261_120)
    for _ in range(200):
        data = bytearray(sound)
        place = random.randrange(len(data))
        data[place] ^= 1 << random.randrange(8)
        path.write_bytes(data)
        with pytest.raises(SnapshotError, match=r"fails its checksum"):
            load_snapshot(path, read_header(path), memory)
    for size in [0, 1, 4095, 4096, *random.sample(range(len(sound)), 50), len(sound) + 1]:
        path.write_bytes((sound + b"\0")[:size])
        with pytest.raises(SnapshotError, match=r"checksum|cut off or too long"):
            load_snapshot(path, read_header(path), memory)


def test_arrays_of_another_layout_have_another_fingerprint() -> None:
    """Another name, type of a field or size of a pool is another engine."""
    memory = Engine(ROOMY_LIMITS).memory()
    mine = fingerprint(memory, ROOMY_LIMITS)
    assert fingerprint(Engine(ROOMY_LIMITS).memory(), ROOMY_LIMITS) == mine
    assert fingerprint(memory, EngineLimits()) != mine
    assert fingerprint(memory | {"more": np.zeros(1)}, ROOMY_LIMITS) != mine
    words = memory["progress"].view(np.int64)
    changed = memory | {"progress": words.view([("sequence", "<i8", len(words))])}
    assert fingerprint(changed, ROOMY_LIMITS) != mine


def test_the_newest_are_kept_and_half_made_ones_removed(tmp_path: Path) -> None:
    """Writing one more takes the oldest away; what a killed writer left is nobody's snapshot."""
    engine, _ = _flow()
    (tmp_path / "00000000000000000009.77.new").write_bytes(b"half")
    paths = [_write(tmp_path, engine, sequence) for sequence in range(1, 6)]
    assert list_snapshots(tmp_path) == paths[::-1][:KEPT_SNAPSHOTS]
    paths[4].write_bytes(b"damaged")
    newest = newest_header(tmp_path)
    assert newest
    assert newest.sequence == 4
    remove_unfinished(tmp_path)
    assert len(list(tmp_path.iterdir())) == KEPT_SNAPSHOTS


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk costs the new snapshot and no other."""
    engine, _ = _flow()
    _write(tmp_path, engine, 1)

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fdatasync", fail)
        with pytest.raises(OSError, match="No space"):
            _write(tmp_path, engine, 2)
    assert [read_header(path).sequence for path in tmp_path.iterdir()] == [1]


class _Killed(BaseException):
    """As by kill -9: nothing is tidied up."""


class _DyingDisk(DiskStorage):
    """A disk whose process is gone at the call of one name."""

    def __init__(self, name: str) -> None:
        def die(*_: object) -> None:
            raise _Killed

        setattr(self, name, die)


@pytest.mark.parametrize("call", ["create", "rename", "sync_folder"])
def test_a_writer_that_is_killed_harms_no_snapshot(tmp_path: Path, call: str) -> None:
    """The ones before it are as they were, and what it left is either whole or no snapshot."""
    engine, _ = _flow()
    _write(tmp_path, engine, 1)
    digest = state_hash(engine.export())
    with pytest.raises(_Killed):
        write_snapshot(tmp_path, engine.memory(), ROOMY_LIMITS, 2, CHAIN, digest, _DyingDisk(call))
    remove_unfinished(tmp_path)
    found = [read_header(path).sequence for path in list_snapshots(tmp_path)]
    assert found == ([2, 1] if call == "sync_folder" else [1])
    assert len(list(tmp_path.iterdir())) == len(found)
    for path in list_snapshots(tmp_path):
        assert state_hash(_restored(path).export()) == digest
