"""Ladders find the best level and the next one, and move without losing any."""

from random import Random

import pytest

from engine.codes import Side
from engine.orderbook.arrays import NO_LEVEL, BookArrays, allocate_book
from engine.orderbook.ladder import (
    ladder_index,
    ladder_price,
    mark_level,
    move_ladders,
    next_level,
    open_ladders,
    unmark_level,
)
from engine.state import EngineLimits

LEVELS = 1 << 14
LOWER_TICKS = 1_000
LIMITS = EngineLimits(
    orders=64, accounts=4, positions=4, allowances=2, instruments=4, ladder_levels=1 << 16
)


@pytest.fixture
def book() -> BookArrays:
    """Two instruments; the tests use the second, whose ladders do not begin at 0."""
    book = allocate_book(LIMITS)
    open_ladders(book, 1, 64, 1)
    open_ladders(book, 2, LEVELS, LOWER_TICKS)
    return book


def _best(book: BookArrays, side: Side) -> int:
    return int(book.sides[2 * 2 + side]["best"])


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_index_0_is_the_best_price(book: BookArrays, side: Side) -> None:
    """A buy ladder counts down from the highest price, a sell ladder up from the lowest."""
    highest = LOWER_TICKS + LEVELS - 1
    best, worst = (highest, LOWER_TICKS) if side == Side.BUY else (LOWER_TICKS, highest)
    assert ladder_index(book, 2, side, best) == 0
    assert ladder_index(book, 2, side, worst) == LEVELS - 1
    for index in (0, 63, 64, LEVELS - 1):
        assert ladder_index(book, 2, side, ladder_price(book, 2, side, index)) == index


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_best_and_next_level_are_those_of_a_sorted_set(book: BookArrays, side: Side) -> None:
    """Whatever is marked and unmarked, on word boundaries too, a plain set knows the answer."""
    random = Random(11)
    edges = [0, 1, 62, 63, 64, 4_095, 4_096, LEVELS - 1]
    marked: set[int] = set()
    for _ in range(2_000):
        index = random.choice(edges) if random.random() < 0.4 else random.randrange(LEVELS)
        if index in marked:
            marked.remove(index)
            unmark_level(book, 2, side, index)
        else:
            marked.add(index)
            mark_level(book, 2, side, index)
        if random.random() < 0.02:
            for leaving in marked:
                unmark_level(book, 2, side, leaving)
            marked.clear()
        assert _best(book, side) == min(marked, default=NO_LEVEL)
        probe = random.choice(edges)
        above = min((other for other in marked if other > probe), default=NO_LEVEL)
        assert next_level(book, 2, side, probe) == above
        assert book.sides[2 * 1 + side]["best"] == NO_LEVEL


@pytest.mark.parametrize("shift", [-70, -1, 0, 1, 63, 4_096])
def test_moving_ladders_keeps_every_queue(book: BookArrays, shift: int) -> None:
    """Each level's queue is found at the same price afterwards, and the best is still the best."""
    prices = [LOWER_TICKS + 5_000 + offset for offset in (0, 1, 64, 130)]
    for side in (Side.BUY, Side.SELL):
        for number, price_ticks in enumerate(prices, start=1):
            level = _level(book, side, price_ticks)
            level["head"], level["tail"] = number, number + 10
            level["orders"], level["quantity_lots"] = number + 20, number + 30
            mark_level(book, 2, side, ladder_index(book, 2, side, price_ticks))
    move_ladders(book, 2, LOWER_TICKS + shift)
    for side, best_ticks in ((Side.BUY, prices[-1]), (Side.SELL, prices[0])):
        assert ladder_price(book, 2, side, _best(book, side)) == best_ticks
        for number, price_ticks in enumerate(prices, start=1):
            level = _level(book, side, price_ticks)
            assert level.item() == (number + 30, number, number + 10, number + 20, 0)
        first = int(book.sides[2 * 2 + side]["first_level"])
        assert (book.levels["orders"][first : first + LEVELS] > 0).sum() == len(prices)


def _level(book: BookArrays, side: Side, price_ticks: int):  # type: ignore[no-untyped-def]
    first = book.sides[2 * 2 + side]["first_level"]
    return book.levels[first + ladder_index(book, 2, side, price_ticks)]
