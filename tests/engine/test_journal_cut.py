"""Taking off a torn tail: whatever stops it in between, the next start comes to the same end."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core_driver import LIMITS, stamped
from engine_driver import make_command

from engine.codes import CommandKind
from engine.journal import Journal
from engine.journal_format import SEGMENT_HEADER_BYTES, JournalFailedError, batch_bytes
from engine.storage import DiskStorage, File

SEGMENT_BYTES = 16 << 10


def _batch(first_sequence: int, count: int) -> np.ndarray:
    commands = np.repeat(make_command(CommandKind.DEPOSIT_CASH, account=1, amount_fen=5), count)
    return stamped(commands, first_sequence)


class _ShortFile:
    """A file that takes so many bytes and then no more."""

    def __init__(self, file: File, left: int) -> None:
        self._file, self._left = file, left

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, parts: list[bytes], offset: int) -> int:
        data = b"".join(parts)[: self._left]
        self._left -= len(data)
        return self._file.write([data], offset)


class _ShortDisk(DiskStorage):
    def __init__(self, left: int) -> None:
        self._left = left

    def open(self, path: Path) -> File:
        return _ShortFile(super().open(path), self._left)


def test_a_cut_that_is_interrupted_at_any_byte_is_done_again(tmp_path: Path) -> None:
    """A disk that takes only a part of the zeros ends the start, and the next one finds the tail as
    torn as it was: never as damage, and never as whole."""
    journal = Journal(tmp_path, LIMITS, SEGMENT_BYTES)
    journal.append(_batch(1, 7))
    journal.append(_batch(8, 4))
    journal.close()
    (path,) = tmp_path.glob("*.journal")
    data = path.read_bytes()
    last, length = SEGMENT_HEADER_BYTES + batch_bytes(7), batch_bytes(4) - 100
    for taken in range(length):
        path.write_bytes(data[: last + length] + bytes(len(data) - last - length))
        with pytest.raises(JournalFailedError, match=r"could not be (cut|synced again)"):
            Journal(tmp_path, LIMITS, SEGMENT_BYTES, storage=_ShortDisk(taken))
        journal = Journal(tmp_path, LIMITS, SEGMENT_BYTES)
        assert journal.last_sequence == 7, taken
        journal.close()
