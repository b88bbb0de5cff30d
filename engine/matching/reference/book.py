"""One instrument's resting orders: a queue for each price, best price first, then time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, takewhile

from sortedcontainers import SortedDict

from engine.codes import (
    OrderFlag,
    OrderType,
    Purpose,
    Resting,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from engine.units import ORDER_SLOT_BITS


@dataclass(eq=False)
class Order:
    """One accepted order. The names are those of ORDER_STATE and ORDER_EVENT."""

    order_id: int
    client_id_high: int
    client_id_low: int
    entered_time_ns: int
    price_ticks: int
    quantity_lots: int
    remaining_lots: int
    account: int
    instrument: int
    scheme: int
    session: int
    side: int
    order_type: int
    time_in_force: int
    flags: int
    self_trade_prevention: int
    purpose: int
    gateway: int
    expires_at_ns: int = 0
    stop_price_ticks: int = 0
    display_quantity_lots: int = 0
    is_pending: bool = False  # a stop order whose price was not reached yet
    slice_lots: int = 0  # what an iceberg in the book shows

    @property
    def resting(self) -> int:
        if self.is_off_book:
            return Resting.OFF_BOOK
        return Resting.STOPS if self.is_pending else Resting.BOOK

    @property
    def shown_lots(self) -> int:
        """What the public book shows of it."""
        if self.resting != Resting.BOOK:
            return 0
        return self.slice_lots if self.display_quantity_lots else self.remaining_lots

    @property
    def is_off_book(self) -> bool:
        return self.order_type in (OrderType.BLOCK, OrderType.BID)

    @property
    def slot(self) -> int:
        return self.order_id & ((1 << ORDER_SLOT_BITS) - 1)

    @property
    def filled_lots(self) -> int:
        return self.quantity_lots - self.remaining_lots

    @property
    def is_buy(self) -> bool:
        return self.side == Side.BUY

    @property
    def is_day(self) -> bool:
        """Whether it goes when the market closes: a pending stop may be ioc or fok."""
        return self.time_in_force not in (TimeInForce.GTC, TimeInForce.GTD)

    @property
    def is_post_only(self) -> bool:
        return bool(self.flags & OrderFlag.POST_ONLY)

    @property
    def is_quote(self) -> bool:
        return bool(self.flags & OrderFlag.QUOTE)

    @property
    def is_compliance(self) -> bool:
        return self.purpose == Purpose.COMPLIANCE

    def reaches(self, price_ticks: int) -> bool:
        """Whether an opposite order at `price_ticks` lies within this order's limit."""
        return price_ticks <= self.price_ticks if self.is_buy else price_ticks >= self.price_ticks


class Book:
    """The queues of both sides.

    Each side is a SortedDict whose first key is its best price; bids are keyed by the negated
    price, so that "best" is the first key on both sides. Pending stops are a plain list, orders off
    the book a dict by order id.
    """

    def __init__(self) -> None:
        self._sides = {Side.BUY: SortedDict(), Side.SELL: SortedDict()}
        self._stops: list[Order] = []
        self._off_book: dict[int, Order] = {}

    def add(self, order: Order) -> None:
        """Let `order` join the end of the queue at its price, an iceberg with its first slice."""
        if order.is_off_book:
            self._off_book[order.order_id] = order
            return
        if order.is_pending:
            self._stops.append(order)
            return
        order.slice_lots = min(order.display_quantity_lots, order.remaining_lots)
        self._sides[Side(order.side)].setdefault(_key(order), deque()).append(order)

    def remove(self, order: Order) -> None:
        """Take `order` from its place. Raises KeyError or ValueError if it is not there."""
        if order.is_off_book:
            del self._off_book[order.order_id]
            return
        if order.is_pending:
            self._stops.remove(order)
            return
        queues = self._sides[Side(order.side)]
        queue = queues[_key(order)]
        queue.remove(order)
        if not queue:
            del queues[_key(order)]

    def orders(self, side: Side) -> Iterator[Order]:
        """All orders of `side`, the one that trades first coming first."""
        for queue in self._sides[side].values():
            yield from queue

    def all_orders(self) -> Iterator[Order]:
        """The book, the stops, then what is off the book."""
        for orders in (self.orders, self.stops):
            for side in (Side.BUY, Side.SELL):
                yield from orders(side)
        yield from self.off_book()

    def off_book(self) -> list[Order]:
        """The orders off the book, by order id."""
        return list(self._off_book.values())

    def stops(self, side: Side) -> list[Order]:
        """The pending stops of `side`, the one that triggers first coming first."""
        sign = 1 if side == Side.BUY else -1
        chosen = [order for order in self._stops if order.side == side]
        return sorted(chosen, key=lambda order: sign * order.stop_price_ticks)

    def could_trade(self, taker: Order, wanted_lots: int, band: range) -> bool:
        """Whether `taker` would trade at least `wanted_lots` at once, at prices in the band."""
        traded_lots, open_lots = 0, taker.remaining_lots
        mode = taker.self_trade_prevention
        for resting, shown_lots in self._slices_facing(taker, band):
            is_own = resting.account == taker.account
            if is_own and mode == SelfTradePrevention.CANCEL_OLDEST:
                continue
            if is_own and mode != SelfTradePrevention.DECREMENT:
                break
            lots = min(resting.remaining_lots if is_own else shown_lots, open_lots)
            traded_lots += 0 if is_own else lots
            open_lots -= lots
        return traded_lots >= wanted_lots

    def _slices_facing(self, taker: Order, band: range) -> Iterator[tuple[Order, int]]:
        """Whom `taker` meets with how much: at each price the queue, then what others hide."""
        allowed = takewhile(lambda order: order.price_ticks in band, self.facing(taker))
        for _, queue in groupby(allowed, key=lambda order: order.price_ticks):
            resting = list(queue)
            yield from ((order, order.shown_lots) for order in resting)
            for order in resting:
                if order.account != taker.account:
                    yield order, order.remaining_lots - order.shown_lots

    @property
    def is_crossed(self) -> bool:
        """Whether the best bid and the best ask meet."""
        best_bid = next(self.orders(Side.BUY), None)
        return best_bid is not None and next(self.facing(best_bid), None) is not None

    def facing(self, order: Order) -> Iterator[Order]:
        """The opposite orders that `order` reaches, the one that trades first coming first."""
        for resting in self.orders(Side.SELL if order.is_buy else Side.BUY):
            if not order.reaches(resting.price_ticks):
                return
            yield resting


def _key(order: Order) -> int:
    return -order.price_ticks if order.is_buy else order.price_ticks
