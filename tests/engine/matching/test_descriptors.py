"""What compiled code finds at an address is what was described there."""

import numpy as np
from numba import typeof

from engine.compiled import JIT, entry_point, kernel
from engine.matching.arrays import EngineArrays, allocate_engine, command_views
from engine.matching.descriptors import describe, descriptor_words, load_arrays
from engine.orderbook.arrays import BookArrays, aligned_zeros
from engine.records import COMMAND
from engine.state import EngineLimits

LIMITS = EngineLimits(
    orders=7, accounts=5, positions=3, allowances=2, instruments=4, ladder_levels=128
)


@entry_point
def _lengths(address: int) -> tuple[int, int, int]:
    """The first, one in the middle and the last of the arrays, as a kernel sees them."""
    arrays = load_arrays(address)
    return len(arrays.book.orders), len(arrays.commands.headers), len(arrays.events.admin)


@kernel
def _sizes(book: BookArrays) -> tuple[int, int]:
    """The first and the last array of a part that another kernel hands on."""
    return len(book.orders), len(book.pool)


@entry_point
def _sizes_of_book(address: int) -> tuple[int, int]:
    return _sizes(load_arrays(address).book)


@entry_point
def _count_up(address: int) -> None:
    load_arrays(address).progress[0]["sequence"] += 5


def _arrays(commands: int) -> EngineArrays:
    arrays = allocate_engine(LIMITS, np.zeros(3, np.int64))
    return arrays._replace(commands=command_views(aligned_zeros(commands, COMMAND)))


def test_kernels_see_the_arrays_that_were_described() -> None:
    """Lengths come through, and what is written is written to the very same memory."""
    arrays = _arrays(commands=9)
    block = np.zeros(descriptor_words(), np.int64)
    address = describe(arrays, block)
    assert tuple(_lengths(address)) == (7, 9, 0)
    assert tuple(_sizes_of_book(address)) == (7, 1)
    _count_up(address)
    assert arrays.progress[0]["sequence"] == 5


def test_describing_anew_replaces_what_was_there() -> None:
    """The block is written whole, at the address it has."""
    block = np.zeros(descriptor_words(), np.int64)
    first = describe(_arrays(commands=1), block)
    second_arrays = _arrays(commands=64)
    second = describe(second_arrays, block)
    assert not JIT or first == second
    assert tuple(_lengths(second)) == (7, 64, 0)


def test_the_type_does_not_depend_on_sizes() -> None:
    """One compiled kernel serves all engines."""
    assert typeof(_arrays(commands=0)) == typeof(_arrays(commands=8))
