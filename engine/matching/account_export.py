"""One account's part of the exported state, found by key: cheap however many accounts there are."""

from __future__ import annotations

import numpy as np

from engine.accounts import BalanceArrays, find_position
from engine.compiled import entry_point
from engine.state_records import ACCOUNT_STATE


@entry_point
def _position_rows(
    balances: BalanceArrays, account: int, instruments: int, rows: np.ndarray
) -> int:
    """Write the account's position rows for instruments 1 to `instruments`; how many they are."""
    count = 0
    for instrument in range(1, instruments + 1):
        row = find_position(balances, account, instrument)
        if row != 0:
            rows[count] = row
            count += 1
    return count


def export_account(
    balances: BalanceArrays, number: int, instruments: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One row of ACCOUNT_STATE (zeros for an unknown number), and the account's positions and
    allowances, in the order of first touch, as the whole export has them."""
    account = np.zeros(1, ACCOUNT_STATE)
    if 0 <= number < len(balances.accounts):
        account[0] = balances.accounts[number]
    rows = np.zeros(instruments, np.int64)
    count = _position_rows(balances, number, instruments, rows)
    allowances = balances.allowances[1 : int(balances.used[0]["allowances"]) + 1]
    return (
        account,
        balances.positions[np.sort(rows[:count])],
        allowances[allowances["account"] == number],
    )
