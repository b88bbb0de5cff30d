"""Operations on 64-bit words, each with a plain twin that gives the same when the JIT is off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from engine.compiled import JIT

_WORD_MASK = 2**64 - 1


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


def _equal_words_instruction(
    _typing_context: Any, words: Any, _first: Any, _mask: Any, _word: Any
) -> Any:
    eight = ir.VectorType(ir.IntType(64), 8)

    def spread(builder: Any, word: Any) -> Any:
        vector = eight(ir.Undefined)
        for place in range(eight.count):
            vector = builder.insert_element(vector, word, ir.IntType(32)(place))
        return vector

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        first, mask, word = arguments[1:]
        line = builder.bitcast(builder.gep(array.data, [first]), eight.as_pointer())
        masked = builder.and_(builder.load(line, align=8), spread(builder, mask))
        is_equal = builder.icmp_unsigned("==", masked, spread(builder, word))
        return builder.zext(builder.bitcast(is_equal, ir.IntType(8)), ir.IntType(64))

    number = types.int64
    return types.int64(words, number, number, number), generate


def _equal_words_plain(words: Any, first: Any, mask: Any, word: Any) -> Any:
    is_equal = (words[first : first + 8] & mask) == word
    return int(np.packbits(is_equal, bitorder="little")[0])


def _fold_instruction(_typing_context: Any, _word: Any, _other: Any) -> Any:
    double = ir.IntType(128)

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word, other = (builder.zext(argument, double) for argument in arguments)
        product = builder.mul(word, other)
        upper = builder.trunc(builder.lshr(product, double(64)), ir.IntType(64))
        return builder.xor(builder.trunc(product, ir.IntType(64)), upper)

    return types.int64(types.int64, types.int64), generate


def _fold_plain(word: Any, other: Any) -> Any:
    product = (int(word) & _WORD_MASK) * (int(other) & _WORD_MASK)
    return np.uint64((product ^ product >> 64) & _WORD_MASK).astype(np.int64)


# Number of the lowest bit that is set; the word must not be 0.
trailing_zeros = cast(
    Callable[[Any], Any],
    intrinsic(_trailing_zeros_instruction) if JIT else _trailing_zeros_plain,
)
# Which of eight words from `first` on are, under a mask, a certain word: bit n for the nth.
equal_words = cast(
    Callable[[np.ndarray, Any, Any, Any], Any],
    intrinsic(_equal_words_instruction) if JIT else _equal_words_plain,
)
# Every bit of two words spread over all of one: both halves of their product, one over the other.
fold = cast(Callable[[Any, Any], Any], intrinsic(_fold_instruction) if JIT else _fold_plain)
# Have the cache line where a record begins come from memory, to be there when it is needed. The row
# may be any number: an address that leads nowhere is passed over.
prefetch = cast(
    Callable[[np.ndarray, Any], None],
    intrinsic(_prefetch_instruction) if JIT else _prefetch_plain,
)
