"""Detectors of market abuse: each a pure function of recorded trades and orders and its figures.

Who belongs together is `owner_of`: linked accounts have the same owner. A finding is a reason for a
person to look, never a verdict. Trades come in the order of their ids.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from engine.codes import Side, TradeType
from engine.units import NANOSECONDS_PER_SECOND, ONE_MILLION
from settlement.oversight_rules import (
    MarkingTheCloseRule,
    SpoofingRule,
    UnusualTradesRule,
    WashTradesRule,
)

OwnerOf = Callable[[int], str]
# Ids that a finding names; how many there are is among its figures.
NAMED_IDS = 200
# A normal distribution's standard deviation is this many times its median absolute deviation.
_DEVIATION_MILLI = 1_483
_WINDOWS = 4_096
# Plain integers: a comparison with a member of an IntEnum costs as much as the rest of the work.
_NEGOTIATED = (int(TradeType.BLOCK), int(TradeType.ONE_WAY))
_OTHER_SIDE = {int(Side.BUY): int(Side.SELL), int(Side.SELL): int(Side.BUY)}


class TradeFact(NamedTuple):
    """What the detectors look at in a trade; the columns of `settlement.tables.trading.Trade`."""

    trade_id: int
    time_ns: int
    price_ticks: int
    quantity_lots: int
    maker_order_id: int
    taker_order_id: int
    maker_account: int
    taker_account: int
    taker_side: int
    trade_type: int

    @property
    def makes_prices(self) -> bool:
        return self.trade_type not in _NEGOTIATED

    def sides(self) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """Account, order and side of the maker and of the taker."""
        return (
            (self.maker_account, self.maker_order_id, _OTHER_SIDE[self.taker_side]),
            (self.taker_account, self.taker_order_id, self.taker_side),
        )


class CancelledOrder(NamedTuple):
    """An order that its account took back before anything of it was traded."""

    order_id: int
    account: int
    side: int
    price_ticks: int
    quantity_lots: int
    created_time_ns: int
    cancelled_time_ns: int


class Finding(NamedTuple):
    """What a detector found: `subject` tells it from others of the same kind, market and day."""

    kind: str
    subject: str
    accounts: tuple[int, ...]
    first_time_ns: int
    last_time_ns: int
    trade_ids: tuple[int, ...]
    order_ids: tuple[int, ...]
    figures: dict[str, int]


def wash_trades(
    trades: Iterable[TradeFact], owner_of: OwnerOf, rule: WashTradesRule
) -> Iterator[Finding]:
    """Trades with the same owner on both sides."""
    own: defaultdict[str, list[TradeFact]] = defaultdict(list)
    total_lots = 0
    for trade in trades:
        total_lots += trade.quantity_lots
        owner = owner_of(trade.maker_account)
        if owner == owner_of(trade.taker_account):
            own[owner].append(trade)
    for owner, found in own.items():
        quantity_lots = sum(trade.quantity_lots for trade in found)
        if quantity_lots >= rule.minimum_quantity:
            figures = {
                "quantity": quantity_lots,
                "market_quantity": total_lots,
                "share_ppm": quantity_lots * ONE_MILLION // total_lots,
            }
            accounts = {trade.maker_account for trade in found}
            accounts |= {trade.taker_account for trade in found}
            yield _finding("wash_trades", owner, accounts, found, (), figures)


def spoofing(
    cancelled: Sequence[CancelledOrder],
    trades: Iterable[TradeFact],
    entered_lots: Mapping[int, int],
    owner_of: OwnerOf,
    rule: SpoofingRule,
) -> Iterator[Finding]:
    """Orders taken back soon and untouched, beside which their owner traded on the other side.

    `entered_lots` gives the size of every order that traded: a market maker's two sides are alike,
    while orders that were to mislead dwarf the one that they helped.
    """
    longest_ns = rule.maximum_seconds * NANOSECONDS_PER_SECOND
    standing: defaultdict[tuple[str, int], list[CancelledOrder]] = defaultdict(list)
    for order in cancelled:
        if order.cancelled_time_ns - order.created_time_ns <= longest_ns:
            standing[owner_of(order.account), order.side].append(order)
    books = {key: _Standing(orders, longest_ns) for key, orders in standing.items()}
    helped: defaultdict[tuple[str, int], list[TradeFact]] = defaultdict(list)
    used: defaultdict[tuple[str, int], dict[int, CancelledOrder]] = defaultdict(dict)
    for trade in trades:
        if not trade.makes_prices:
            continue
        for account, order_id, side in trade.sides():
            key = owner_of(account), _OTHER_SIDE[side]
            beside = books[key].at(trade.time_ns) if key in books else []
            if not beside:
                continue
            lots = sum(order.quantity_lots for order in beside)
            dwarfed_lots = entered_lots[order_id] * rule.size_factor_milli
            if lots >= rule.minimum_quantity and lots * 1_000 >= dwarfed_lots:
                helped[key].append(trade)
                used[key].update({order.order_id: order for order in beside})
    for key, found in helped.items():
        orders = list(used[key].values())
        if len(orders) >= rule.minimum_orders:
            figures = {
                "orders": len(orders),
                "prices": len({order.price_ticks for order in orders}),
                "cancelled_quantity": sum(order.quantity_lots for order in orders),
                "traded_quantity": sum(trade.quantity_lots for trade in found),
            }
            accounts = {order.account for order in orders}
            subject = f"{key[0]}:{Side(key[1]).name.lower()}"
            yield _finding("spoofing", subject, accounts, found, orders, figures)


def marking_the_close(
    trades: Sequence[TradeFact],
    owner_of: OwnerOf,
    rule: MarkingTheCloseRule,
    close_time_ns: int,
    reference_ticks: int,
) -> Iterator[Finding]:
    """Who had most of the last trades on the side to which the price moved in them.

    The price before is the last one before the last minutes, or else the day's reference.
    """
    begins_ns = close_time_ns - rule.seconds * NANOSECONDS_PER_SECOND
    priced = [trade for trade in trades if trade.makes_prices and trade.time_ns <= close_time_ns]
    last = [trade for trade in priced if trade.time_ns > begins_ns]
    total_lots = sum(trade.quantity_lots for trade in last)
    if not last or total_lots < rule.minimum_quantity:
        return
    earlier = len(priced) - len(last)
    before_ticks = priced[earlier - 1].price_ticks if earlier else reference_ticks
    move_ticks = last[-1].price_ticks - before_ticks
    if move_ticks == 0 or abs(move_ticks) * ONE_MILLION < rule.minimum_move_ppm * before_ticks:
        return
    moving_side = Side.BUY if move_ticks > 0 else Side.SELL
    by_owner: defaultdict[str, list[tuple[int, TradeFact]]] = defaultdict(list)
    for trade in last:
        for account, _, side in trade.sides():
            if side == moving_side:
                by_owner[owner_of(account)].append((account, trade))
    for owner, found in by_owner.items():
        lots = sum(trade.quantity_lots for _, trade in found)
        if lots * ONE_MILLION >= rule.minimum_share_ppm * total_lots:
            figures = {
                "quantity": lots,
                "market_quantity": total_lots,
                "share_ppm": lots * ONE_MILLION // total_lots,
                "before_ticks": before_ticks,
                "last_ticks": last[-1].price_ticks,
                "move_ppm": move_ticks * ONE_MILLION // before_ticks,
            }
            accounts = {account for account, _ in found}
            its_trades = [trade for _, trade in found]
            yield _finding("marking_the_close", owner, accounts, its_trades, (), figures)


def unusual_trades(
    earlier: Sequence[TradeFact], trades: Sequence[TradeFact], rule: UnusualTradesRule
) -> Iterator[Finding]:
    """Trades whose price or quantity is far off the median of the `sample` trades before each.

    `earlier` are those before the first of `trades`; without a full sample nothing is said.
    """
    priced = [trade for trade in [*earlier, *trades] if trade.makes_prices]
    new = {trade.trade_id for trade in trades}
    measures = (
        ("unusual_price", "price_ticks", rule.price_factor_milli, rule.minimum_move_ppm, 0),
        ("unusual_quantity", "quantity_lots", rule.quantity_factor_milli, 0, rule.minimum_quantity),
    )
    for kind, field, factor_milli, least_ppm, least in measures:
        values = np.array([getattr(trade, field) for trade in priced], np.int64)
        medians, deviations = _running_medians(values, rule.sample)
        rest = values[rule.sample :]
        off = np.abs(rest - medians)
        is_far = off * 1_000 > factor_milli * deviations
        is_far &= (off * ONE_MILLION >= least_ppm * medians) & (rest >= least)
        if kind == "unusual_quantity":
            is_far &= rest > medians
        places = [
            int(place)
            for place in np.flatnonzero(is_far)
            if priced[rule.sample + place].trade_id in new
        ]
        if places:
            found = [priced[rule.sample + place] for place in places]
            worst = max(places, key=lambda place: int(off[place]))
            figures = {
                "trades": len(found),
                field: int(rest[worst]),
                f"median_{field}": int(medians[worst]),
                f"deviation_{field}": int(deviations[worst]),
            }
            accounts = {account for trade in found for account, _, _ in trade.sides()}
            yield _finding(kind, "", accounts, found, (), figures)


class _Standing:
    """Orders by when they stood; each for `longest_ns` at most."""

    def __init__(self, orders: list[CancelledOrder], longest_ns: int) -> None:
        self._orders = sorted(orders, key=lambda order: order.created_time_ns)
        self._created = [order.created_time_ns for order in self._orders]
        self._longest_ns = longest_ns

    def at(self, time_ns: int) -> list[CancelledOrder]:
        """Those that stood at this time."""
        start = bisect_left(self._created, time_ns - self._longest_ns)
        end = bisect_right(self._created, time_ns)
        return [order for order in self._orders[start:end] if order.cancelled_time_ns >= time_ns]


def _running_medians(values: np.ndarray, sample: int) -> tuple[np.ndarray, np.ndarray]:
    """For each value that `sample` others precede: their median, and their deviation, at least 1.

    Both are integers (the upper median), so that every machine finds the same.
    """
    count = max(len(values) - sample, 0)
    medians, deviations = np.zeros(count, np.int64), np.zeros(count, np.int64)
    if not count:
        return medians, deviations
    windows = np.lib.stride_tricks.sliding_window_view(values, sample)[:count]
    for start in range(0, count, _WINDOWS):
        part = windows[start : start + _WINDOWS]
        middle = np.partition(part, sample // 2, axis=1)[:, sample // 2]
        spread = np.partition(np.abs(part - middle[:, None]), sample // 2, axis=1)[:, sample // 2]
        medians[start : start + _WINDOWS] = middle
        deviations[start : start + _WINDOWS] = np.maximum(spread * _DEVIATION_MILLI // 1_000, 1)
    return medians, deviations


def _finding(  # noqa: PLR0917 - what a finding is made of
    kind: str,
    subject: str,
    accounts: Iterable[int],
    trades: Sequence[TradeFact],
    orders: Sequence[CancelledOrder],
    figures: dict[str, int],
) -> Finding:
    begins = [trade.time_ns for trade in trades] + [order.created_time_ns for order in orders]
    ends = [trade.time_ns for trade in trades] + [order.cancelled_time_ns for order in orders]
    trade_ids = sorted({trade.trade_id for trade in trades})
    return Finding(
        kind=kind,
        subject=subject,
        accounts=tuple(sorted(set(accounts))),
        first_time_ns=min(begins),
        last_time_ns=max(ends),
        trade_ids=tuple(trade_ids[:NAMED_IDS]),
        order_ids=tuple(sorted(order.order_id for order in orders)[:NAMED_IDS]),
        figures=figures | {"trades": len(trade_ids)},
    )
