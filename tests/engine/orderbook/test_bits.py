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

FACTOR = 0x9E3779B97F4A7C15 - 2**64


@pytest.mark.parametrize("bit", range(64))
def test_trailing_zeros_of_each_bit(bit: int) -> None:
    """The lowest bit that is set is found, whatever lies above it; the sign bit too."""
    word = np.uint64(1 << bit).astype(np.int64)
    above = np.uint64((2**64 - 1) << bit & (2**64 - 1)).astype(np.int64)
    for value in (word, above):
        assert _trailing_zeros(value) == bit
        assert bits._trailing_zeros_plain(value) == bit


@kernel
def _fold(word: Any, other: Any) -> Any:
    return bits.fold(word, other)


def test_folding_is_the_same_compiled_and_plain() -> None:
    """A twin that folded otherwise would still work, but not find what the other one stored."""
    for word, other in zip(WORDS, reversed(WORDS), strict=True):
        assert _fold(np.int64(word), np.int64(other)) == bits._fold_plain(word, other)
    assert bits._fold_plain(-1, -1) == -1  # (2^64 - 1)^2 is 2^64 - 2 above, 1 below
    assert bits._fold_plain(1 << 32, 3 << 32) == 3


def test_folding_spreads_neighbours() -> None:
    """Words in a row lie far apart, both in their low bits and in their high ones."""
    folded = [int(_fold(np.int64(word), np.int64(FACTOR))) for word in range(10_000)]
    assert len(set(folded)) == 10_000
    for shift in (0, 48):
        assert len({word >> shift & 0xFFFF for word in folded}) > 9_000


@kernel
def _equal_words(words: Any, first: Any, mask: Any, word: Any) -> Any:
    return bits.equal_words(words, first, mask, word)


def test_equal_words_are_found_under_a_mask() -> None:
    """A bit for each of eight words, the lowest for the first, from any place on."""
    words = np.array([9, 1, 0, 257, 1, -255, 0, 2, 1, 1], np.int64)
    for find in (_equal_words, bits._equal_words_plain):
        assert find(words, 1, -1, 1) == 0b1000_1001
        assert find(words, 1, 255, 1) == 0b1001_1101
        assert find(words, 2, -1, 0) == 0b0001_0001
        assert find(words, 0, -1, 3) == 0


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
