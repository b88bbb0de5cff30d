"""Positions and allowances are found by their keys, and make room up to their pool's size."""

from random import Random

from engine.accounts import (
    add_allowance,
    add_position,
    allocate_balances,
    can_add_allowance,
    can_add_position,
    find_allowance,
    find_position,
    is_open_account,
)
from engine.state import EngineLimits

LIMITS = EngineLimits(
    orders=8, accounts=4, positions=300, allowances=5, instruments=4, ladder_levels=64
)


def test_each_position_is_found_at_its_row() -> None:
    """Rows are given in order of first touch, up to the last one, and found by both keys."""
    balances = allocate_balances(LIMITS)
    random = Random(2)
    keys = [(account, instrument) for account in range(1, 31) for instrument in range(1, 11)]
    random.shuffle(keys)
    for row, key in enumerate(keys, start=1):
        assert can_add_position(balances)
        assert find_position(balances, *key) == 0
        assert add_position(balances, *key) == row
    assert not can_add_position(balances)
    assert [find_position(balances, *key) for key in keys] == list(range(1, 301))
    assert find_position(balances, 31, 1) == find_position(balances, 1, 11) == 0


def test_allowances_are_apart_from_positions() -> None:
    """A scheme and an instrument of the same number are different things."""
    balances = allocate_balances(LIMITS)
    add_position(balances, 1, 1)
    assert find_allowance(balances, 1, 1) == 0
    for scheme in range(1, 6):
        assert add_allowance(balances, 1, scheme) == scheme
    assert not can_add_allowance(balances)
    assert [find_allowance(balances, 1, scheme) for scheme in range(1, 7)] == [1, 2, 3, 4, 5, 0]


def test_only_numbers_of_the_pool_can_be_open_accounts() -> None:
    """Any number at all may be asked for; memory outside the pool is never looked at."""
    balances = allocate_balances(LIMITS)
    balances.accounts["is_open"][[0, 2]] = 1
    asked = (-(2**31), -1, 0, 1, 2, 3, 4, 2**31 - 1)
    assert [number for number in asked if is_open_account(balances, number)] == [2]
