"""Cash, credits and caps: rows of accounts, positions and allowances, and how they are found.

Row 0 of positions and allowances means "none" and stays zero, so it can be read like any other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from engine.compiled import inlined, int64, kernel
from engine.orderbook.arrays import aligned_zeros
from engine.orderbook.bits import fold
from engine.state import EngineLimits
from engine.state_records import ACCOUNT_STATE, ALLOWANCE_STATE, POSITION_STATE

# One row of running totals.
ROWS_USED = np.dtype(
    [
        ("accounts", "<i8"),  # the highest number that was opened
        ("positions", "<i8"),
        ("allowances", "<i8"),
    ],
    align=True,
)
_KEY_SHIFT = 32
# Odd, and neither few nor regular bits; as a signed integer, so that kernels stay in int64.
_KEY_FACTOR = 0x9E3779B97F4A7C15 - 2**64


class BalanceArrays(NamedTuple):
    """Who owns what."""

    accounts: np.ndarray  # ACCOUNT_STATE, by number
    positions: np.ndarray  # POSITION_STATE, by order of first touch, from row 1
    # The positions with locked credits as one list for each instrument, in no particular order.
    first_locked: np.ndarray  # int32 rows of positions, by instrument
    next_locked: np.ndarray  # int32, by row of position
    position_index: np.ndarray  # int32: open-addressing table of rows by (account, instrument)
    allowances: np.ndarray  # ALLOWANCE_STATE, by order of first touch, from row 1
    allowance_index: np.ndarray  # int32: rows by (account, scheme)
    used: np.ndarray  # ROWS_USED, one row


def allocate_balances(limits: EngineLimits) -> BalanceArrays:
    """No accounts, positions or allowances, with room for `limits`."""
    return BalanceArrays(
        accounts=aligned_zeros(limits.accounts, ACCOUNT_STATE),
        positions=aligned_zeros(limits.positions + 1, POSITION_STATE),
        first_locked=aligned_zeros(limits.instruments, np.int32),
        next_locked=aligned_zeros(limits.positions + 1, np.int32),
        position_index=aligned_zeros(_index_size(limits.positions), np.int32),
        allowances=aligned_zeros(limits.allowances + 1, ALLOWANCE_STATE),
        allowance_index=aligned_zeros(_index_size(limits.allowances), np.int32),
        used=aligned_zeros(1, ROWS_USED),
    )


def _index_size(rows: int) -> int:
    """A power of two, at least twice the rows, so that searches stay short."""
    return 1 << (2 * rows + 1).bit_length()


@inlined
def is_open_account(balances: BalanceArrays, account: int) -> Any:
    """Whether a client's account has this number; the exchange's own does not count."""
    return 0 < account < len(balances.accounts) and balances.accounts[account]["is_open"] != 0


@inlined
def find_position(balances: BalanceArrays, account: int, instrument: int) -> Any:
    """The row of a position, or 0 if the account never touched the instrument."""
    place = _position_place(balances, account, instrument)
    return int64(balances.position_index[place])


@inlined
def _position_place(balances: BalanceArrays, account: int, instrument: int) -> Any:
    last = len(balances.position_index) - 1
    place = fold((account << _KEY_SHIFT) ^ instrument, _KEY_FACTOR) & last
    while True:
        row = balances.position_index[place]
        if row == 0:
            return place
        position = balances.positions[row]
        if position["account"] == account and position["instrument"] == instrument:
            return place
        place = (place + 1) & last


@inlined
def can_add_position(balances: BalanceArrays) -> Any:
    """Whether one more position row is free."""
    return balances.used[0]["positions"] < len(balances.positions) - 1


@kernel
def add_position(balances: BalanceArrays, account: int, instrument: int) -> Any:
    """Make the row of a position that `find_position` did not find."""
    balances.used[0]["positions"] += 1
    row = int64(balances.used[0]["positions"])
    balances.position_index[_position_place(balances, account, instrument)] = row
    position = balances.positions[row]
    position["account"] = account
    position["instrument"] = instrument
    return row


@inlined
def lock_credits(balances: BalanceArrays, position_row: int, quantity_lots: int) -> None:
    """Add credits that may not be sold before the next day."""
    position = balances.positions[position_row]
    if position["locked_lots"] == 0:
        balances.next_locked[position_row] = balances.first_locked[position["instrument"]]
        balances.first_locked[position["instrument"]] = position_row
    position["locked_lots"] += quantity_lots


@kernel
def unlock_credits(balances: BalanceArrays, instrument: int) -> None:
    """What was bought on an earlier day may be sold from now on."""
    row = int64(balances.first_locked[instrument])
    balances.first_locked[instrument] = 0
    while row != 0:
        position = balances.positions[row]
        position["available_lots"] += position["locked_lots"]
        position["locked_lots"] = 0
        row = int64(balances.next_locked[row])


@kernel
def find_allowance(balances: BalanceArrays, account: int, scheme: int) -> Any:
    """The row of an allowance, or 0 if the account has no cap under the scheme."""
    return int64(balances.allowance_index[_allowance_place(balances, account, scheme)])


@inlined
def _allowance_place(balances: BalanceArrays, account: int, scheme: int) -> Any:
    last = len(balances.allowance_index) - 1
    place = fold((account << _KEY_SHIFT) ^ scheme, _KEY_FACTOR) & last
    while True:
        row = balances.allowance_index[place]
        if row == 0:
            return place
        allowance = balances.allowances[row]
        if allowance["account"] == account and allowance["scheme"] == scheme:
            return place
        place = (place + 1) & last


@inlined
def can_add_allowance(balances: BalanceArrays) -> Any:
    """Whether one more allowance row is free."""
    return balances.used[0]["allowances"] < len(balances.allowances) - 1


@kernel
def add_allowance(balances: BalanceArrays, account: int, scheme: int) -> Any:
    """Make the row of an allowance that `find_allowance` did not find."""
    balances.used[0]["allowances"] += 1
    row = int64(balances.used[0]["allowances"])
    balances.allowance_index[_allowance_place(balances, account, scheme)] = row
    allowance = balances.allowances[row]
    allowance["account"] = account
    allowance["scheme"] = scheme
    return row
