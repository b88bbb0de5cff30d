"""One instrument's resting orders: a queue for each price, best price first, then time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from sortedcontainers import SortedDict

from engine.codes import OrderFlag, OrderType, Purpose, Resting, Side, TimeInForce
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

    @property
    def is_off_book(self) -> bool:
        return self.order_type in (OrderType.BLOCK, OrderType.BID)

    @property
    def resting(self) -> int:
        return Resting.OFF_BOOK if self.is_off_book else Resting.BOOK

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
        return self.time_in_force == TimeInForce.DAY

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
    price, so that "best" is the first key on both sides. Beside them stand the orders off the
    book, by order id.
    """

    def __init__(self) -> None:
        self._sides = {Side.BUY: SortedDict(), Side.SELL: SortedDict()}
        self._off_book: dict[int, Order] = {}

    def add(self, order: Order) -> None:
        """Let `order` join the end of the queue at its price, or stand off the book."""
        if order.is_off_book:
            self._off_book[order.order_id] = order
            return
        self._sides[Side(order.side)].setdefault(_key(order), deque()).append(order)

    def remove(self, order: Order) -> None:
        """Take `order` from its place. Raises KeyError or ValueError if it is not there."""
        if order.is_off_book:
            del self._off_book[order.order_id]
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

    def off_book(self) -> list[Order]:
        """The orders off the book, by order id."""
        return list(self._off_book.values())

    def facing(self, order: Order) -> Iterator[Order]:
        """The opposite orders that `order` reaches, the one that trades first coming first."""
        for resting in self.orders(Side.SELL if order.is_buy else Side.BUY):
            if not order.reaches(resting.price_ticks):
                return
            yield resting


def _key(order: Order) -> int:
    return -order.price_ticks if order.is_buy else order.price_ticks
