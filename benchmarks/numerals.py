"""Decimal numbers as text, eight digits at a time, for kernels that write long reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from engine.compiled import JIT, inlined
from engine.orderbook.bits import trailing_zeros

# What a number's text may overwrite behind its end: words are stored whole.
SPILL_BYTES = 8
_EIGHT_DIGITS = 10**8
# number // 10,000 for a number of eight digits: their product with 2^40 / 10^4 stays below 2^54.
_TEN_THOUSANDTH = 109_951_163
_ZEROS = 0x3030303030303030
_LAST_DIGIT = 1 << 56


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
def eight_digits(number: int) -> Any:
    """The digits of a number from 0 to 99,999,999, one in each byte, the first in the lowest.

    Halves, quarters and digits are split off side by side in one word. The factors stand for
    divisions by 100 and by 10, exact for what the lanes can hold, and no lane reaches the sign.
    """
    quotient = (number * _TEN_THOUSANDTH) >> 40
    lanes = quotient | (number - 10_000 * quotient) << 32
    quotient = (lanes * 10_486 >> 20) & 0x7F_0000_007F
    lanes = quotient | (lanes - 100 * quotient) << 16
    quotient = (lanes * 103 >> 10) & 0x000F_000F_000F_000F
    return quotient | (lanes - 10 * quotient) << 8


@inlined
def write_number(text: np.ndarray, end: int, number: int, separator: int) -> Any:
    """Write a number from 0 up and the byte that follows it; the new end.

    Up to SPILL_BYTES behind the new end are overwritten.
    """
    if number >= _EIGHT_DIGITS:
        return _write_long(text, end, number, separator)
    digits = eight_digits(number)
    # Zeros in front lie in the lowest bytes; the last digit is written whatever it is.
    front_bits = trailing_zeros(digits | _LAST_DIGIT) & ~7
    store_word(text, end, (digits | _ZEROS) >> front_bits)
    end += 8 - (front_bits >> 3)
    text[end] = separator
    return end + 1


@inlined
def _write_long(text: np.ndarray, end: int, number: int, separator: int) -> Any:
    """`write_number` for a number of more than eight digits."""
    scale = _EIGHT_DIGITS
    # A third of the number would be beyond any int64: there are at most three groups of digits.
    if number >= _EIGHT_DIGITS * _EIGHT_DIGITS:
        scale = _EIGHT_DIGITS * _EIGHT_DIGITS
    digits = eight_digits(number // scale)
    front_bits = trailing_zeros(digits | _LAST_DIGIT) & ~7
    store_word(text, end, (digits | _ZEROS) >> front_bits)
    end += 8 - (front_bits >> 3)
    rest = number % scale
    if scale > _EIGHT_DIGITS:
        store_word(text, end, eight_digits(rest // _EIGHT_DIGITS) | _ZEROS)
        end += 8
        rest %= _EIGHT_DIGITS
    store_word(text, end, eight_digits(rest) | _ZEROS)
    text[end + 8] = separator
    return end + 9
