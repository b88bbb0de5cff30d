"""The plain twins of the word operations give what the compiled ones give."""

from random import Random
from typing import Any

import numpy as np
import pytest

from engine.compiled import kernel
from engine.orderbook import bits


@kernel
def _trailing_zeros(word: Any) -> Any:
    """An intrinsic can be called by kernels alone."""
    return bits.trailing_zeros(word)


WORDS = [
    1,
    2,
    3,
    1 << 62,
    -(1 << 63),
    -1,
    0x7FFFFFFFFFFFFFFF,
    *Random(5).choices(range(1, 2**63), k=50),
]


@pytest.mark.parametrize("bit", range(64))
def test_trailing_zeros_of_each_bit(bit: int) -> None:
    """The lowest bit that is set is found, whatever lies above it; the sign bit too."""
    word = np.uint64(1 << bit).astype(np.int64)
    above = np.uint64((2**64 - 1) << bit & (2**64 - 1)).astype(np.int64)
    for value in (word, above):
        assert _trailing_zeros(value) == bit
        assert bits._trailing_zeros_plain(value) == bit


def test_mixing_is_the_same_compiled_and_plain() -> None:
    """A twin that mixed otherwise would still work, but not find what the other one stored."""
    for word in WORDS:
        assert bits.mix(np.int64(word)) == bits._mix_plain(word)


def test_mixing_loses_nothing() -> None:
    """Neighbouring words lie far apart and none becomes another."""
    mixed = {int(bits.mix(np.int64(word))) for word in range(10_000)}
    assert len(mixed) == 10_000
    assert len({word & 0xFFFF for word in mixed}) > 9_000


@kernel
def _prefetch(words: Any, row: Any) -> None:
    bits.prefetch(words, row)


@pytest.mark.parametrize("row", [0, 7, -1, 8, 1 << 40])
def test_prefetching_changes_nothing(row: int) -> None:
    """Any row may be asked for: memory that is not there is passed over, and none is written."""
    words = np.arange(8)
    _prefetch(words, row)
    bits._prefetch_plain(words, row)
    assert words.tolist() == list(range(8))
