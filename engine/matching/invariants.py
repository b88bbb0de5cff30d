"""What must be true of the whole engine after every command: the books, the holds, the totals."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from engine.codes import OrderFlag, Phase, Side
from engine.matching.arrays import EngineArrays
from engine.orderbook.invariants import check_book, require, require_uncrossed
from engine.units import ONE_MILLION

_TOTALS = {"account_fen", "account_orders", "position_held", "position_buying", "allowance_open"}


def check_invariants(arrays: EngineArrays) -> None:
    """Check everything. Takes time in proportion to what was ever used. Raises InvariantError."""
    check_book(arrays.book, int(arrays.progress[0]["instruments"]))
    _check_phases(arrays)
    _check_holds(arrays)
    _check_conservation(arrays)
    _check_locked(arrays)


def _check_phases(arrays: EngineArrays) -> None:
    """Only an auction, or a halt of one, has a crossed book; each interruption will be ended."""
    for number in range(1, int(arrays.progress[0]["instruments"]) + 1):
        instrument = arrays.instruments[number]
        if instrument["phase"] in (Phase.CONTINUOUS, Phase.CLOSED):
            require_uncrossed(arrays.book, number)
        if instrument["is_interrupted"]:
            is_awaited = instrument["ends_at_ns"] >= arrays.progress[0]["next_interruption_end_ns"]
            require(instrument["phase"] == Phase.CALL_AUCTION, "an interruption is an auction")
            require(is_awaited, "no interruption ends before the next end")


def _check_holds(arrays: EngineArrays) -> None:
    """What accounts, positions and allowances hold is what the open orders need."""
    balances = arrays.balances
    totals: dict[str, Counter[int]] = {name: Counter() for name in _TOTALS}
    for slot in np.flatnonzero(arrays.book.orders["order_id"][: _slots_used(arrays) + 1]):
        order = arrays.book.orders[slot]
        account, lots = int(order["account"]), int(order["remaining_lots"])
        if order["flags"] & OrderFlag.ICEBERG:
            lots += int(arrays.book.conditions[slot]["hidden_lots"])
        totals["account_orders"][account] += 1
        position = balances.positions[order["position"]]
        owner = (int(position["account"]), int(position["instrument"]))
        require(owner == (account, order["instrument"]), "an order's position is its owner's")
        if order["side"] == Side.SELL:
            totals["position_held"][int(order["position"])] += lots
            continue
        hold_fen = _hold_fen(arrays.instruments[order["instrument"]], order, lots)
        require(order["held_fen"] == hold_fen, "an order holds what its remainder may cost")
        totals["account_fen"][account] += hold_fen
        totals["position_buying"][int(order["position"])] += lots
        if order["allowance"]:
            totals["allowance_open"][int(order["allowance"])] += lots
    for name, array, field in (
        ("account_fen", balances.accounts[: _used(arrays, "accounts") + 1], "held_fen"),
        ("account_orders", balances.accounts[: _used(arrays, "accounts") + 1], "open_orders"),
        ("position_held", balances.positions[: _used(arrays, "positions") + 1], "held_lots"),
        ("position_buying", balances.positions[: _used(arrays, "positions") + 1], "buying_lots"),
        ("allowance_open", balances.allowances[: _used(arrays, "allowances") + 1], "open_lots"),
    ):
        for row, total in enumerate(array[field]):
            require(total == totals[name][row], f"{field} of row {row} is that of the open orders")


def _hold_fen(instrument: Any, order: Any, lots: int) -> int:
    notional_fen = int(order["price_ticks"]) * int(instrument["tick_fen"]) * lots
    fee_ppm = max(int(instrument["maker_fee_ppm"]), int(instrument["taker_fee_ppm"]))
    return notional_fen + notional_fen * fee_ppm // ONE_MILLION


def _check_conservation(arrays: EngineArrays) -> None:
    """Cash and credits are what came in less what went out, and nobody owes any."""
    balances = arrays.balances
    accounts = balances.accounts[: _used(arrays, "accounts") + 1]
    positions = balances.positions[: _used(arrays, "positions") + 1]
    require((accounts["available_fen"] >= 0).all(), "available cash is not negative")
    cash_fen = int(accounts["available_fen"].sum()) + int(accounts["held_fen"].sum())
    require(cash_fen == arrays.counters[0]["total_cash_fen"], "cash is conserved")
    for field in ("available_lots", "held_lots", "locked_lots", "buying_lots"):
        require((positions[field] >= 0).all(), f"{field} is not negative")
    owned_lots = positions["available_lots"] + positions["held_lots"] + positions["locked_lots"]
    for number in range(1, int(arrays.progress[0]["instruments"]) + 1):
        credits_lots = owned_lots[positions["instrument"] == number].sum()
        expected_lots = arrays.instruments[number]["total_credits_lots"]
        require(credits_lots == expected_lots, f"credits of instrument {number} are conserved")


def _check_locked(arrays: EngineArrays) -> None:
    """The positions with locked credits are in their instrument's list, once each."""
    balances = arrays.balances
    listed: list[int] = []
    for number in range(1, int(arrays.progress[0]["instruments"]) + 1):
        row = int(balances.first_locked[number])
        while row:
            require(len(listed) <= len(balances.positions), "a list of locked credits ends")
            is_of_it = balances.positions[row]["instrument"] == number
            require(is_of_it, "locked credits are listed by their own instrument")
            listed.append(row)
            row = int(balances.next_locked[row])
    locked = np.flatnonzero(balances.positions["locked_lots"])
    require(sorted(listed) == list(locked), "locked credits are listed, and no others")


def _slots_used(arrays: EngineArrays) -> int:
    return int(arrays.book.pool[0]["slots_used"])


def _used(arrays: EngineArrays, pool: str) -> int:
    return int(arrays.balances.used[0][pool])
