"""The journal: what was synced is there again, and damage is told from a torn tail."""

import os
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from core_driver import LIMITS, stamped
from engine_driver import make_command
from structlog.testing import capture_logs

from engine.codes import CommandKind
from engine.journal import SEGMENT_NS, Journal
from engine.journal_format import (
    SEGMENT_HEADER_BYTES,
    JournalDamagedError,
    JournalFailedError,
    JournalInUseError,
    batch_bytes,
    marks_in,
)
from engine.storage import DiskStorage, File

SEGMENT_BYTES = 16 << 10
BATCH_SIZES = (1, 3, 40, 1, 40, 7)


def _batch(first_sequence: int, count: int) -> np.ndarray:
    commands = np.repeat(make_command(CommandKind.DEPOSIT_CASH, account=1, amount_fen=5), count)
    return stamped(commands, first_sequence, time_ns=1_000 + first_sequence)


def _open(folder: Path) -> Journal:
    return Journal(folder, LIMITS, SEGMENT_BYTES)


def _write(folder: Path, sizes: tuple[int, ...] = BATCH_SIZES) -> list[np.ndarray]:
    journal = _open(folder)
    batches = []
    for size in sizes:
        batches.append(_batch(journal.last_sequence + 1, size))
        assert journal.append(batches[-1]) == journal.last_sequence
    journal.close()
    return batches


def _read(folder: Path, first_sequence: int = 1) -> list[np.ndarray]:
    journal = _open(folder)
    try:
        return list(journal.read(first_sequence))
    finally:
        journal.close()


def _same(found: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    return [batch.tobytes() for batch in found] == [batch.tobytes() for batch in expected]


@pytest.fixture
def small(tmp_path: Path) -> tuple[Path, bytes, list[np.ndarray], int]:
    """A segment of three batches: its path, bytes and batches, and where the last one begins."""
    batches = _write(tmp_path, (2, 5, 4))
    (path,) = tmp_path.glob("*.journal")
    last = SEGMENT_HEADER_BYTES + batch_bytes(2) + batch_bytes(5)
    return path, path.read_bytes(), batches, last


def test_what_was_appended_is_read_again(tmp_path: Path) -> None:
    """Every batch comes back byte for byte, over several segments and further appends."""
    batches = _write(tmp_path)
    assert len(list(tmp_path.glob("*.journal"))) > 1
    journal = _open(tmp_path)
    batches.append(_batch(journal.last_sequence + 1, 2))
    journal.append(batches[-1])
    assert journal.last_time_ns == int(batches[-1]["time_ns"][0])
    journal.close()
    assert _same(_read(tmp_path), batches)


@pytest.mark.parametrize("first_sequence", [1, 2, 4, 5, 45, 46, 92, 93])
def test_reading_begins_with_the_batch_that_holds_the_sequence(
    tmp_path: Path, first_sequence: int
) -> None:
    """`read(n)` gives the batch of command n and all after it; beyond the end nothing."""
    batches = _write(tmp_path)
    expected = [batch for batch in batches if int(batch["sequence"][-1]) >= first_sequence]
    assert _same(_read(tmp_path, first_sequence), expected)


def test_a_batch_larger_than_a_segment_gets_one_of_its_size(tmp_path: Path) -> None:
    """A batch is never split."""
    batches = _write(tmp_path, (1, 500, 1))
    assert _same(_read(tmp_path), batches)


def test_limits_are_those_of_the_journal(tmp_path: Path) -> None:
    """Other limits than those with which the journal was made do not count."""
    _write(tmp_path)
    journal = Journal(tmp_path, replace(LIMITS, orders=77), SEGMENT_BYTES)
    assert journal.limits == LIMITS
    journal.close()


def test_a_second_opener_is_refused(tmp_path: Path) -> None:
    """Two cores never write one journal."""
    journal = _open(tmp_path)
    with pytest.raises(JournalInUseError, match="another core"):
        _open(tmp_path)
    journal.close()


@pytest.mark.parametrize("way", ["shortened", "zeros"])
def test_a_torn_tail_is_cut_at_every_byte(
    small: tuple[Path, bytes, list[np.ndarray], int], way: str
) -> None:
    """A last batch that is written only up to some byte is taken off, and appending goes on."""
    path, data, batches, last = small
    end = last + batch_bytes(4)
    for cut in range(last, end):
        path.write_bytes(data[:cut] + (b"" if way == "shortened" else bytes(len(data) - cut)))
        with capture_logs() as logs:
            assert _same(_read(path.parent), batches[:2])
        assert bool(logs) == (cut > last), "whatever is cut is logged"
    assert _same([*_read(path.parent), *_write(path.parent, (3,))], _read(path.parent))


def test_a_tail_whose_sectors_came_in_another_order_is_cut(
    small: tuple[Path, bytes, list[np.ndarray], int],
) -> None:
    """A power cut may keep later sectors and lose earlier ones of one unsynced batch."""
    path, data, batches, last = small
    big = _write(path.parent, (40,))[0]
    data, last = path.read_bytes(), last + batch_bytes(4)
    end = last + batch_bytes(len(big))
    for sector in range(last // 512, end // 512 + 1):
        torn = bytearray(data)
        start, stop = max(last, sector * 512), min(end, sector * 512 + 512)
        torn[start:stop] = bytes(stop - start)
        path.write_bytes(torn)
        assert _same(_read(path.parent), batches), sector


def test_no_flipped_bit_is_accepted(small: tuple[Path, bytes, list[np.ndarray], int]) -> None:
    """A changed bit anywhere, the last batch included, halts with the name of the place."""
    path, data, _, last = small
    end = last + batch_bytes(4)
    seed = 20_261_120
    sample = random.Random(seed).sample(range(end * 8), 1_500)
    for bit in sample:
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(JournalDamagedError, match=path.name):
            _read(path.parent)


def test_zeros_before_valid_data_are_damage(
    small: tuple[Path, bytes, list[np.ndarray], int],
) -> None:
    """A hole in the middle is no torn tail, for something valid follows it."""
    path, data, _, last = small
    hole = bytearray(data)
    hole[SEGMENT_HEADER_BYTES:last] = bytes(last - SEGMENT_HEADER_BYTES)
    path.write_bytes(hole)
    with pytest.raises(JournalDamagedError, match="the batch of command 1 at byte 4096"):
        _open(path.parent)


@pytest.mark.parametrize("place", [0, 1, -2])
def test_a_missing_segment_is_damage(tmp_path: Path, place: int) -> None:
    """Segments continue one another by sequence and by chain."""
    _write(tmp_path, (40,) * 9)
    sorted(tmp_path.glob("*.journal"))[place].unlink()
    with pytest.raises(JournalDamagedError, match="missing"):
        _read(tmp_path)


def test_a_batch_of_another_journal_is_damage(tmp_path: Path) -> None:
    """The chain tells a batch that is sound in itself but belongs to another history."""
    _write(tmp_path / "one", (1, 1, 1))
    journal = _open(tmp_path / "other")
    other = stamped(make_command(CommandKind.OPEN_ACCOUNT, account=9), 1)
    for sequence in (1, 2, 3):
        journal.append(stamped(other, sequence))
    journal.close()
    (one,), (foreign,) = ((tmp_path / name).glob("*.journal") for name in ("one", "other"))
    start = SEGMENT_HEADER_BYTES + batch_bytes(1)
    mixed = one.read_bytes()[:start] + foreign.read_bytes()[start:]
    one.write_bytes(mixed)
    with pytest.raises(JournalDamagedError, match="command 2"):
        _read(tmp_path / "one")


def test_an_unfinished_segment_is_forgotten(tmp_path: Path) -> None:
    """A crash while the next segment was made leaves nothing that counts."""
    batches = _write(tmp_path)
    (tmp_path / "00000000000000000093.new").write_bytes(b"half")
    assert _same(_read(tmp_path), batches)
    assert not list(tmp_path.glob("*.new"))


@pytest.mark.parametrize("call", ["fdatasync", "pwritev", "posix_fallocate"])
def test_the_first_failure_is_the_last_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """A failed write or sync is reported once and never tried again; what was safe remains."""
    journal = _open(tmp_path)
    journal.append(_batch(1, 30))

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(JournalFailedError, match="commands 31 to 130"):
            journal.append(_batch(31, 100))
    with pytest.raises(JournalFailedError, match="takes nothing more"):
        journal.append(_batch(31, 100))
    journal.close()
    assert [len(batch) for batch in _read(tmp_path)] in ([30], [30, 100])


def test_a_short_write_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk may take a part: nothing is acknowledged, and the part is cut at the start."""
    journal = _open(tmp_path)
    journal.append(_batch(1, 1))

    def write_a_part(descriptor: int, parts: list[bytes], offset: int) -> int:
        return os.pwrite(descriptor, b"".join(parts)[:200], offset)

    monkeypatch.setattr(os, "pwritev", write_a_part)
    with pytest.raises(JournalFailedError, match="only 200 of"):
        journal.append(_batch(2, 2))
    journal.close()
    monkeypatch.undo()
    assert [len(batch) for batch in _read(tmp_path)] == [1]


HASH, OTHER_HASH = "ab" * 32, "cd" * 32


def test_marks_stand_between_batches_and_are_no_commands(tmp_path: Path) -> None:
    """`read` passes them over, `read_marks` gives each behind its command; the chain holds both."""
    journal = _open(tmp_path)
    batches = [_batch(1, 2), _batch(3, 1)]
    journal.append(batches[0])
    assert journal.mark(2, HASH)
    journal.append(batches[1])
    assert journal.mark(1, OTHER_HASH)
    journal.close()
    journal = _open(tmp_path)
    assert journal.last_sequence == 3
    assert _same(list(journal.read()), batches)
    assert journal.read_marks() == {2: HASH, 1: OTHER_HASH}
    assert journal.read_marks(3) == {1: OTHER_HASH}
    journal.close()
    (path,) = tmp_path.glob("*.journal")
    data = bytearray(path.read_bytes())
    data[SEGMENT_HEADER_BYTES + batch_bytes(2) + 64] ^= 1
    path.write_bytes(data)
    sound = [mark.sequence for _, mark in marks_in(memoryview(data))]
    assert sound == [1], "no state is compared with a hash that is damaged"
    with pytest.raises(JournalDamagedError, match="command 3"):
        _open(tmp_path)


def test_a_mark_never_begins_a_segment(tmp_path: Path) -> None:
    """Where the segment of its command has no room left, none is made, and nothing is lost."""
    journal = _open(tmp_path)
    assert not journal.mark(0, HASH), "there is no command yet"
    made = 0
    for number in range(1, 60):
        journal.append(_batch(journal.last_sequence + 1, 1 + number % 9))
        made += journal.mark(journal.last_sequence, HASH)
    journal.close()
    journal = _open(tmp_path)
    assert len(journal.read_marks()) == made
    assert 40 < made <= 59
    journal.close()


def test_a_segment_ends_with_its_day(tmp_path: Path) -> None:
    """Its age counts by the commands' own times, so a clock that jumps does no harm."""
    journal = _open(tmp_path)
    for sequence, time_ns in ((1, 5), (2, 4 + SEGMENT_NS), (3, 5 + SEGMENT_NS), (4, 6)):
        journal.append(stamped(_batch(sequence, 1), sequence, time_ns))
    journal.close()
    assert [int(path.stem) for path in sorted(tmp_path.glob("*.journal"))] == [1, 3]
    assert len(_read(tmp_path)) == 4


def test_a_segment_without_commands_knows_the_time(tmp_path: Path) -> None:
    """A crash may leave one: the core's time must not begin anew."""
    _write(tmp_path, (40, 40, 40))
    newest = max(tmp_path.glob("*.journal"))
    data = newest.read_bytes()
    newest.write_bytes(data[:SEGMENT_HEADER_BYTES] + bytes(len(data) - SEGMENT_HEADER_BYTES))
    journal = _open(tmp_path)
    assert journal.last_sequence == 80
    assert journal.last_time_ns == 1_041
    journal.close()


@pytest.mark.parametrize("keep", [True, False])
def test_old_segments_are_archived(tmp_path: Path, keep: bool) -> None:
    """What a snapshot covers goes in whole segments; the rest is read as before, and hangs on."""
    batches = _write(tmp_path, (40,) * 9)
    names = [path.name for path in sorted(tmp_path.glob("*.journal"))]
    journal = _open(tmp_path)
    assert journal.archive_below(0, keep=keep) == 0
    assert journal.archive_below(200, keep=keep) == 2
    assert journal.first_sequence == int(names[2].removesuffix(".journal")) <= 200
    rest = [batch for batch in batches if batch["sequence"][0] >= journal.first_sequence]
    assert _same(list(journal.read(journal.first_sequence)), rest)
    with pytest.raises(JournalDamagedError, match="archived"):
        list(journal.read(1))
    journal.append(_batch(journal.last_sequence + 1, 1))
    journal.close()
    assert len(_read(tmp_path, int(rest[0]["sequence"][0]))) == len(rest) + 1
    archived = [path.name for path in sorted((tmp_path / "archive").glob("*"))]
    assert archived == (names[:2] if keep else [])


class _FullDisk(DiskStorage):
    """A disk with room for nothing while `is_full`, except where room was given before."""

    def __init__(self) -> None:
        self.is_full = False

    def create(self, path: Path) -> File:
        if self.is_full:
            raise OSError(28, "No space left on device")
        return super().create(path)

    def free_bytes(self, folder: Path) -> int:
        return 0 if self.is_full else 1 << 40


def test_on_a_full_disk_the_reserve_is_the_next_segment(tmp_path: Path) -> None:
    """Commands still find room, a restart finds all of them, and when there is space again the
    reserve is made again."""
    disk = _FullDisk()
    sizes = {"storage": disk, "reserve_bytes": SEGMENT_BYTES}
    journal = Journal(tmp_path, LIMITS, SEGMENT_BYTES, **sizes)
    assert journal.has_room()
    batches = [_batch(1, 90)]
    journal.append(batches[0])
    disk.is_full = True
    assert not journal.has_room()
    batches.append(_batch(91, 90))
    journal.append(batches[-1])
    journal.close()
    journal = Journal(tmp_path, LIMITS, SEGMENT_BYTES, **sizes)
    assert _same(list(journal.read()), batches)
    assert not journal.has_room()
    disk.is_full = False
    assert journal.has_room()
    disk.is_full = True
    batches.append(_batch(181, 90))
    journal.append(batches[-1])
    with pytest.raises(JournalFailedError, match="commands 271 to 360"):
        journal.append(_batch(271, 90))
    journal.close()
    assert _same(_read(tmp_path), batches)
