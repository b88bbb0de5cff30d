"""Decimal numbers as text, four digits at a time from tables, for kernels that write reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from engine.compiled import JIT, inlined, int64

# What a number's text may overwrite behind its end: words are stored whole.
SPILL_BYTES = 8
_TEN_THOUSAND = 10**4
_COMMA = ord(",")
_LENGTH_SHIFT = 56


class NumeralArrays(NamedTuple):
    """The texts of all numbers of up to four digits, each with a comma, first character lowest.

    In the highest byte of `plain` is the length of its text.
    """

    plain: np.ndarray  # int64, without zeros in front
    padded: np.ndarray  # int64, with zeros in front: always four digits


def numerals() -> NumeralArrays:
    """The two tables."""
    plain, padded = [], []
    for number in range(_TEN_THOUSAND):
        text = f"{number},".encode()
        plain.append(int.from_bytes(text, "little") | len(text) << _LENGTH_SHIFT)
        padded.append(int.from_bytes(f"{number:04},".encode(), "little"))
    return NumeralArrays(np.array(plain, np.int64), np.array(padded, np.int64))


def _store_word_instruction(_typing_context: Any, _text: Any, _place: Any, _word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        text = context.make_array(signature.args[0])(context, builder, arguments[0])
        first_byte = builder.gep(text.data, [arguments[1]])
        word_pointer = builder.bitcast(first_byte, ir.IntType(64).as_pointer())
        builder.store(arguments[2], word_pointer, align=1)
        return context.get_dummy_value()

    return types.void(_text, types.int64, types.int64), generate


def _store_word_plain(text: np.ndarray, place: int, word: int) -> None:
    text[place : place + 8] = np.frombuffer(int(word).to_bytes(8, "little"), np.uint8)


# Write the eight bytes of a word that is not negative, lowest first, from byte `place` on.
store_word = cast(
    Callable[[np.ndarray, Any, Any], None],
    intrinsic(_store_word_instruction) if JIT else _store_word_plain,
)


@inlined
def write_number(text: np.ndarray, end: int, number: int, tables: NumeralArrays) -> Any:
    """Write a number from 0 up and a comma; the new end.

    Up to SPILL_BYTES behind the new end are overwritten.
    """
    if number < _TEN_THOUSAND:
        return _write_short(text, end, number, tables)
    # One digit less than the text has, for the next group goes over the comma.
    rest = int64(number // _TEN_THOUSAND)
    if rest < _TEN_THOUSAND:
        end = _write_short(text, end, rest, tables) - 1
    else:
        end = _write_long(text, end, rest, tables) - 1
    store_word(text, end, tables.padded[number - rest * _TEN_THOUSAND])
    return end + 5


@inlined
def _write_short(text: np.ndarray, end: int, number: int, tables: NumeralArrays) -> Any:
    """`write_number` for a number of at most four digits."""
    word = int64(tables.plain[number])
    store_word(text, end, word)
    return end + (word >> _LENGTH_SHIFT)


@inlined
def _write_long(text: np.ndarray, end: int, number: int, tables: NumeralArrays) -> Any:
    """`write_number` for a number of more than four digits, whatever its length."""
    scale = int64(_TEN_THOUSAND)
    while number // scale >= _TEN_THOUSAND:
        scale *= _TEN_THOUSAND
    end = _write_short(text, end, number // scale, tables) - 1
    while scale > 1:
        number %= scale
        scale //= _TEN_THOUSAND
        store_word(text, end, tables.padded[number // scale])
        end += 4
    return end + 1
