"""The event log: whole commands from any sequence on, and always in agreement with the replay."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from engine.event_log import EventLog
from engine.records import EVENT, RECORD_BYTES
from engine.storage import Bytes, DiskStorage, File

SEGMENT_BYTES = 20 * RECORD_BYTES
# How many events each command causes.
COUNTS = (1, 3, 1, 30, 2, 1, 1, 5, 9, 4, 1, 1, 2)


def _events(first: int = 1, last: int = len(COUNTS), mark: int = 0) -> np.ndarray:
    sequences = np.arange(first, last + 1)
    events = np.zeros(sum(COUNTS[first - 1 : last]), EVENT)
    events["sequence"] = np.repeat(sequences, COUNTS[first - 1 : last])
    events["request_id"] = np.arange(len(events)) + 1_000 * first
    events["code"] = mark
    return events


def _append_each(log: EventLog, first: int = 1, last: int = len(COUNTS)) -> None:
    for sequence in range(first, last + 1):
        log.append(_events(sequence, sequence))


def _read(log: EventLog, first_sequence: int = 1) -> bytes:
    return b"".join(events.tobytes() for events in log.read(first_sequence))


def _each(first: int = 1, last: int = len(COUNTS)) -> bytes:
    return b"".join(_events(sequence, sequence).tobytes() for sequence in range(first, last + 1))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    log = EventLog(tmp_path, SEGMENT_BYTES)
    log.trim()
    _append_each(log)
    log.close()
    assert len(list(tmp_path.glob("*.events"))) > 2
    return tmp_path


@pytest.mark.parametrize("first_sequence", range(1, len(COUNTS) + 2))
def test_reads_from_any_command_on(written: Path, first_sequence: int) -> None:
    """Reading begins with the first event of the command asked for and leaves out none."""
    log = EventLog(written, SEGMENT_BYTES)
    _append_each(log)
    log.trim()
    assert _read(log, first_sequence) == _each(first_sequence)
    log.close()


def test_reading_sees_what_is_appended_meanwhile(tmp_path: Path) -> None:
    """Whoever reads to the end has everything up to that very moment, so live events follow."""
    log = EventLog(tmp_path, SEGMENT_BYTES)
    _append_each(log, last=2)
    found = log.read(1)
    data = next(found).tobytes()
    _append_each(log, first=3)
    assert data + b"".join(events.tobytes() for events in found) == _each()
    log.close()


def test_a_command_is_never_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each array read holds whole commands, however few events one step should give."""
    monkeypatch.setattr("engine.event_log.READ_EVENTS", 2)
    log = EventLog(tmp_path, SEGMENT_BYTES)
    _append_each(log)
    ends = [int(events[-1]["sequence"]) for events in log.read(1)]
    begins = [int(events[0]["sequence"]) for events in log.read(1)]
    assert begins == [1, *(end + 1 for end in ends[:-1])]
    log.close()


def test_a_replay_in_other_groups_keeps_the_log(written: Path) -> None:
    """The same events in larger groups change no file."""
    before = {path.name: path.read_bytes() for path in written.glob("*.events")}
    log = EventLog(written, SEGMENT_BYTES)
    log.append(np.frombuffer(_each(1, 7), EVENT))
    log.append(np.frombuffer(_each(8), EVENT))
    log.trim()
    log.close()
    assert {path.name: path.read_bytes() for path in written.glob("*.events")} == before


def test_a_log_cut_anywhere_is_completed(written: Path) -> None:
    """It is not synced: whatever a crash left of it, the replay makes it whole."""
    paths = sorted(written.glob("*.events"))
    for path in reversed(paths):
        for size in range(path.stat().st_size, -1, -77):
            with path.open("r+b") as file:
                file.truncate(size)
            log = EventLog(written, SEGMENT_BYTES)
            _append_each(log)
            log.trim()
            assert _read(log) == _each()
            assert _read(log, 5) == _each(5)
            log.close()


@pytest.mark.parametrize("segment", [0, 1, -1])
def test_what_differs_from_the_replay_is_written_anew(written: Path, segment: int) -> None:
    """The journal is the truth: a log with other bytes is cut there, and it is logged."""
    path = sorted(written.glob("*.events"))[segment]
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    log = EventLog(written, SEGMENT_BYTES)
    with capture_logs() as logs:
        _append_each(log)
        log.trim()
    assert "differs" in logs[0]["event"]
    assert _read(log) == _each()
    log.close()


def test_a_log_ahead_of_the_journal_is_cut_and_logged(written: Path) -> None:
    """Events of commands that the journal does not know are taken off, with an error in the log."""
    log = EventLog(written, SEGMENT_BYTES)
    with capture_logs() as logs:
        _append_each(log, last=3)
        log.trim()
    assert logs[0]["log_level"] == "error"
    assert logs[0]["after_sequence"] == 3
    assert _read(log) == _each(1, 3)
    _append_each(log, first=4)
    assert _read(log) == _each()
    log.close()


class _FillingDisk(DiskStorage):
    """A disk that takes `room` bytes more, the last of them in a short write; no bound at None."""

    def __init__(self) -> None:
        self.room: int | None = None

    def create(self, path: Path) -> File:
        file = super().create(path)
        return self._bounded(path, file)

    def _bounded(self, path: Path, file: File) -> File:
        disk, write = self, file.write

        def bounded(parts: Sequence[Bytes], offset: int) -> int:
            size = sum(map(len, parts))
            if disk.room is not None and path.suffix == ".events":
                if disk.room == 0:
                    raise OSError(28, "No space left on device")
                size, disk.room = min(size, disk.room), disk.room - min(size, disk.room)
            return write([b"".join(parts)[:size]], offset)

        file.write = bounded  # type: ignore[method-assign]
        return file

    def free_bytes(self, folder: Path) -> int:
        return 1 << 40 if self.room is None else 0


@pytest.mark.parametrize("room", [0, 1, 128, 500, 128 * 7, 128 * 20, 128 * 21 + 5, 128 * 60])
def test_on_a_full_disk_the_log_goes_on_in_its_reserve(tmp_path: Path, room: int) -> None:
    """Wherever the room ends, within a command too, no event is missing, now or after a restart."""
    disk = _FillingDisk()
    log = EventLog(tmp_path, 128 * 90, storage=disk, reserve_bytes=128 * 80)
    log.trim()
    assert log.has_room()
    disk.room = room
    _append_each(log, last=9)
    assert not log.has_room()
    assert _read(log) == _each(1, 9)
    log.close()
    again = EventLog(tmp_path, 128 * 90, storage=disk, reserve_bytes=128 * 80)
    with capture_logs() as logs:
        _append_each(again, last=9)
        again.trim()
    assert logs == [], "it agrees with the replay"
    disk.room = None
    _append_each(again, first=10)
    assert _read(again) == _each()
    assert _read(again, 4) == _each(4)
    again.close()
