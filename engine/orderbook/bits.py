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


def _prefetch_instruction(_typing_context: Any, records: Any, _row: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        number = ir.IntType(32)
        address = builder.bitcast(
            builder.gep(array.data, [arguments[1]]), ir.IntType(8).as_pointer()
        )
        kind = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [address.type], kind)
        # To be read (asking for a line to write waits longer), to stay in all caches, data.
        builder.call(prefetch, [address, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(records, types.int64), generate


def _prefetch_plain(records: Any, row: Any) -> None:
    """Nothing: no result can depend on it."""


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
# Have the cache line where a record begins come from memory, to be there when it is needed. The row
# may be any number: an address that leads nowhere is passed over.
prefetch = cast(
    Callable[[np.ndarray, Any], None],
    intrinsic(_prefetch_instruction) if JIT else _prefetch_plain,
)
