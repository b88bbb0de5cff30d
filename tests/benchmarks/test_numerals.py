"""Numbers as text: what the kernel writes is what `str` gives."""

from random import Random

import numpy as np
import pytest

from benchmarks import numerals
from benchmarks.numerals import SPILL_BYTES, write_number
from engine.compiled import kernel

LARGEST = 2**63 - 1
EDGES = sorted(
    {edge for digits in range(19) for edge in (10**digits - 1, 10**digits, 10**digits + 1)}
    | {LARGEST, LARGEST - 1}
)


TABLES = numerals.numerals()


@kernel
def _write(text: np.ndarray, end: int, number: int, tables: numerals.NumeralArrays) -> int:
    """What is inlined can be called by kernels alone."""
    return write_number(text, end, number, tables)


def _written(number: int) -> str:
    text = np.full(64, ord("?"), np.uint8)
    end = int(_write(text, 3, number, TABLES))
    assert bytes(text[:3]) == b"???"
    assert bytes(text[end + SPILL_BYTES :]) == b"?" * (64 - end - SPILL_BYTES)
    return bytes(text[3:end]).decode()


@pytest.mark.parametrize("number", EDGES)
def test_numbers_of_every_length(number: int) -> None:
    """One digit to nineteen, and the byte that follows; nothing else is touched but the spill."""
    assert _written(number) == f"{number},"


def test_many_numbers() -> None:
    """Numbers of two groups of digits, and of any length."""
    random = Random(7)
    for number in [random.randrange(10**8) for _ in range(2_000)]:
        assert _written(number) == f"{number},"
    for number in [random.randrange(2 ** random.randrange(1, 64)) for _ in range(2_000)]:
        assert _written(number) == f"{number},"


def test_the_plain_twin_stores_the_same_bytes() -> None:
    """A word goes in with its lowest byte first, wherever it begins."""
    text = np.zeros(16, np.uint8)
    numerals._store_word_plain(text, 5, 0x0102_0304_0506_0708)
    assert text.tolist() == [0] * 5 + [8, 7, 6, 5, 4, 3, 2, 1] + [0] * 3
