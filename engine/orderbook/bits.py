"""Operations on 64-bit words, each with a plain twin that gives the same when the JIT is off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from engine.compiled import JIT, inlined

_WORD_MASK = 2**64 - 1
# The odd factors of splitmix64's finaliser, as signed integers so that kernels stay in int64.
_FIRST_FACTOR = 0xBF58476D1CE4E5B9 - 2**64
_SECOND_FACTOR = 0x94D049BB133111EB - 2**64


def _trailing_zeros_instruction(_typing_context: Any, _word: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), generate


def _trailing_zeros_plain(word: Any) -> Any:
    plain = int(word) & _WORD_MASK
    return (plain & -plain).bit_length() - 1


def _mix_wrapping(word: Any) -> Any:
    word = (word ^ ((word >> 30) & 0x3FFFFFFFF)) * _FIRST_FACTOR
    word = (word ^ ((word >> 27) & 0x1FFFFFFFFF)) * _SECOND_FACTOR
    return word ^ ((word >> 31) & 0x1FFFFFFFF)


def _mix_plain(word: Any) -> Any:
    plain = int(word) & _WORD_MASK
    plain = (plain ^ (plain >> 30)) * (_FIRST_FACTOR & _WORD_MASK) & _WORD_MASK
    plain = (plain ^ (plain >> 27)) * (_SECOND_FACTOR & _WORD_MASK) & _WORD_MASK
    return np.uint64(plain ^ (plain >> 31)).astype(np.int64)


# Number of the lowest bit that is set; the word must not be 0.
trailing_zeros = cast(
    Callable[[Any], Any],
    intrinsic(_trailing_zeros_instruction) if JIT else _trailing_zeros_plain,
)
# Every bit of the word spread over all of them (splitmix64's finaliser).
mix: Callable[[Any], Any] = inlined(_mix_wrapping) if JIT else _mix_plain
