"""Each command alone: what stands before, the commands themselves, and what they have to give.

All of them play in one instrument, among 1,024 accounts that have cash and credits. Orders that
stand before are spread at random over a thousand prices a side, and are dealt with in random order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from benchmarks.growing_market import MAXIMUM_LOTS, REFERENCE_TICKS, GrowingMarket, MarketSize
from engine.codes import (
    CommandKind,
    OrderType,
    Purpose,
    SelfTradePrevention,
    Side,
    Target,
    TimeInForce,
)
from engine.matching.engine import Engine
from engine.records import ADMIN_COMMAND, COMMAND, ORDER_COMMAND, QUOTE_COMMAND
from engine.units import ORDER_SLOT_BITS

ACCOUNTS = 1_024
_INSTRUMENT = 1
_PRICES = 1_000
_LADDER_LEVELS = 8_192
_ORDERS_OF_EACH = 10
_SEED = 20_261_120


class Workload(NamedTuple):
    """Commands (COMMAND), not stamped yet."""

    before: np.ndarray
    measured: np.ndarray
    events: int  # of the measured commands together
    are_refused: bool = False


def new_resting(count: int) -> Workload:
    """Limit orders that find nobody."""
    return Workload(_nothing(), _resting(count), count)


def new_resting_with_client_id(count: int) -> Workload:
    """The same, each registering a client id of its own."""
    return Workload(_nothing(), _resting(count, with_client_id=True), count)


def new_crossing(count: int) -> Workload:
    """Orders that take one resting order whole, the next best each time."""
    before = _resting(count, side=Side.SELL).view(ORDER_COMMAND)
    takes = _orders(count)
    takes["account"] = before["account"][_by_price(before)] % ACCOUNTS + 1
    takes["side"] = Side.BUY
    takes["price_ticks"] = REFERENCE_TICKS + _PRICES + 1
    return Workload(before.view(COMMAND), takes.view(COMMAND), 2 * count)


def new_refused(count: int) -> Workload:
    """Orders of more than an order may have: refused after the checks of form and identity."""
    orders = _resting(count).view(ORDER_COMMAND)
    orders["quantity_lots"] = MAXIMUM_LOTS + 1
    return Workload(_nothing(), orders.view(COMMAND), count, are_refused=True)


def cancel_by_order_id(count: int) -> Workload:
    """From anywhere in the queues."""
    before = _resting(count)
    return Workload(before, _targets(before, CommandKind.CANCEL_ORDER), count)


def cancel_by_client_id(count: int) -> Workload:
    """The same orders, looked up."""
    before = _resting(count, with_client_id=True)
    cancels = _targets(before, CommandKind.CANCEL_ORDER).view(ORDER_COMMAND)
    cancels["client_id_low"] = cancels["order_id"] >> ORDER_SLOT_BITS
    cancels["order_id"] = 0
    cancels["target"] = Target.CLIENT_ORDER_ID
    return Workload(before, cancels.view(COMMAND), count)


def amend_keeping_priority(count: int) -> Workload:
    """Half the quantity at the same price."""
    before = _resting(count)
    amends = _targets(before, CommandKind.AMEND_ORDER).view(ORDER_COMMAND)
    amends["quantity_lots"] = MAXIMUM_LOTS // 2
    return Workload(before, amends.view(COMMAND), count)


def replace_order(count: int) -> Workload:
    """The same quantity at a price a tick further away, at the end of the queue."""
    before = _resting(count)
    replaces = _targets(before, CommandKind.REPLACE_ORDER).view(ORDER_COMMAND)
    replaces["price_ticks"] += np.where(replaces["price_ticks"] > REFERENCE_TICKS, 1, -1)
    replaces["quantity_lots"] = MAXIMUM_LOTS
    return Workload(before, replaces.view(COMMAND), count)


def quote_moved(count: int) -> Workload:
    """Both sides of standing quotes get new prices."""
    # To and fro, so that no account finds the prices at which it stands.
    moved = _quotes(count, distance_ticks=1 + np.arange(count) // ACCOUNTS % 2)
    return Workload(_quotes(ACCOUNTS, distance_ticks=2), moved, 3 * count)


def quote_unchanged(count: int) -> Workload:
    """Standing quotes are set once more as they are."""
    standing = _quotes(ACCOUNTS, distance_ticks=2)
    return Workload(standing, _quotes(count, distance_ticks=2), count)


def cancel_all_of_account(count: int) -> Workload:
    """Ten orders each, in a book of 10,240; at most one command for each account."""
    count = min(count, ACCOUNTS)
    before = _resting(ACCOUNTS * _ORDERS_OF_EACH).view(ORDER_COMMAND)
    before["account"] = np.arange(len(before)) % ACCOUNTS + 1
    cancels = np.zeros(count, ORDER_COMMAND)
    cancels["kind"] = CommandKind.CANCEL_ALL
    cancels["account"] = np.arange(1, count + 1)
    cancels["side"] = Side.ANY
    events = count * (1 + _ORDERS_OF_EACH)
    return Workload(before.view(COMMAND), cancels.view(COMMAND), events)


def deposit_cash(count: int) -> Workload:
    """With a client id, as the gateway sends it."""
    # The market opens with all the cash that an engine may hold.
    withdrawals = _administration(ACCOUNTS, CommandKind.WITHDRAW_CASH, amount_fen=2**40)
    deposits = _administration(count, CommandKind.DEPOSIT_CASH, amount_fen=1)
    deposits["client_id_high"] = 1
    deposits["client_id_low"] = np.arange(1, count + 1)
    return Workload(withdrawals.view(COMMAND), deposits.view(COMMAND), count)


def deposit_credits(count: int) -> Workload:
    """With a client id too."""
    deposits = _administration(count, CommandKind.DEPOSIT_CREDITS, quantity_lots=1)
    deposits["instrument"] = _INSTRUMENT
    deposits["client_id_high"] = 1
    deposits["client_id_low"] = np.arange(1, count + 1)
    return Workload(_nothing(), deposits.view(COMMAND), count)


CASES: tuple[Callable[[int], Workload], ...] = (
    new_resting,
    new_resting_with_client_id,
    new_crossing,
    new_refused,
    cancel_by_order_id,
    cancel_by_client_id,
    amend_keeping_priority,
    replace_order,
    quote_moved,
    quote_unchanged,
    cancel_all_of_account,
    deposit_cash,
    deposit_credits,
)


class Stage:
    """An engine in which the measured commands are next."""

    def __init__(self, workload: Workload) -> None:
        market = GrowingMarket(
            MarketSize(orders=0, accounts=ACCOUNTS, ladder_levels=_LADDER_LEVELS), _SEED
        )
        self.engine = Engine(replace(market.limits, orders=65_536))
        self.engine.warm_up()
        for commands in market.opening():
            self._apply_accepted(commands)
        if len(workload.before):
            self._apply_accepted(_stamped(workload.before, self.engine.sequence + 1))
        self._measured = _stamped(workload.measured, self.engine.sequence + 1)

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """The measured commands, in order."""
        for start in range(0, len(self._measured), size):
            yield self._measured[start : start + size]

    def _apply_accepted(self, commands: np.ndarray) -> None:
        assert not np.any(self.engine.apply(commands)["code"]), "what stands before is accepted"


def _nothing() -> np.ndarray:
    return np.zeros(0, COMMAND)


def _orders(count: int) -> np.ndarray:
    orders = np.zeros(count, ORDER_COMMAND)
    orders["kind"] = CommandKind.NEW_ORDER
    orders["instrument"] = _INSTRUMENT
    orders["quantity_lots"] = MAXIMUM_LOTS
    orders["order_type"] = OrderType.LIMIT
    orders["time_in_force"] = TimeInForce.GTC
    orders["self_trade_prevention"] = SelfTradePrevention.CANCEL_NEWEST
    orders["purpose"] = Purpose.VOLUNTARY
    return orders


def _resting(count: int, side: Side = Side.ANY, with_client_id: bool = False) -> np.ndarray:
    random = np.random.default_rng(_SEED)
    orders = _orders(count)
    orders["account"] = random.integers(1, ACCOUNTS + 1, count)
    orders["side"] = random.integers(0, 2, count) if side == Side.ANY else side
    away_ticks = random.integers(1, _PRICES + 1, count)
    is_sell = orders["side"] == Side.SELL
    orders["price_ticks"] = REFERENCE_TICKS + np.where(is_sell, away_ticks, -away_ticks)
    if with_client_id:
        orders["client_id_low"] = np.arange(1, count + 1)
    return orders.view(COMMAND)


def _by_price(sells: np.ndarray) -> np.ndarray:
    """The places of sell orders in the order in which they are taken."""
    return np.argsort(sells["price_ticks"], kind="stable")


def _targets(before: np.ndarray, kind: CommandKind) -> np.ndarray:
    """One command for each order that stands, in random order, with its price."""
    orders = before.view(ORDER_COMMAND)
    places = np.random.default_rng(_SEED + 1).permutation(len(orders))
    targets = np.zeros(len(orders), ORDER_COMMAND)
    targets["kind"] = kind
    targets["account"] = orders["account"][places]
    targets["price_ticks"] = orders["price_ticks"][places]
    # The first orders of an engine: number and slot both count from 1.
    targets["order_id"] = (places + 1 << ORDER_SLOT_BITS) | (places + 1)
    return targets.view(COMMAND)


def _quotes(count: int, distance_ticks: Any) -> np.ndarray:
    """Quotes of one account after the other."""
    quotes = np.zeros(count, QUOTE_COMMAND)
    quotes["kind"] = CommandKind.SET_QUOTE
    quotes["instrument"] = _INSTRUMENT
    quotes["account"] = np.arange(count) % ACCOUNTS + 1
    quotes["bid_price_ticks"] = REFERENCE_TICKS - 2 * distance_ticks - quotes["account"]
    quotes["ask_price_ticks"] = REFERENCE_TICKS + 2 * distance_ticks + quotes["account"]
    quotes["bid_quantity_lots"] = quotes["ask_quantity_lots"] = MAXIMUM_LOTS
    return quotes.view(COMMAND)


def _administration(count: int, kind: CommandKind, **fields: int) -> np.ndarray:
    commands = np.zeros(count, ADMIN_COMMAND)
    commands["kind"] = kind
    commands["account"] = np.arange(count) % ACCOUNTS + 1
    for name, value in fields.items():
        commands[name] = value
    return commands


def _stamped(commands: np.ndarray, first_sequence: int) -> np.ndarray:
    stamped = commands.copy()
    stamped["sequence"] = np.arange(first_sequence, first_sequence + len(commands))
    stamped["time_ns"] = stamped["sequence"]
    return stamped
