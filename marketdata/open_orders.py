"""Where every open order stands in its public book, followed by the events of orders and trades."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from engine.codes import EventKind, OrderType, Reason, Resting
from marketdata.book import BookSide
from marketdata.instrument import Instrument

# Plain integers: a comparison with a member of an IntEnum costs as much as the work for an event.
_ACCEPTED = int(EventKind.ORDER_ACCEPTED)
_CANCELLED = int(EventKind.ORDER_CANCELLED)
_AMENDED = int(EventKind.ORDER_AMENDED)
_TRIGGERED = int(EventKind.ORDER_TRIGGERED)
ORDER_KINDS = (_ACCEPTED, _CANCELLED, _AMENDED, _TRIGGERED)
# From here on the types of order stand in no book.
_FIRST_OFF_BOOK = int(OrderType.BLOCK)
ORDER_FIELDS = (
    *("order_id", "instrument", "side", "price_ticks", "remaining_lots"),
    *("display_quantity_lots", "stop_price_ticks", "reason", "order_type"),
)
_STATE_FIELDS = (*ORDER_FIELDS[:6], "shown_lots")


def picked(layout: np.dtype[Any], fields: tuple[str, ...]) -> np.dtype[Any]:
    """The layout of records seen through some of their fields, in this order."""
    assert layout.fields is not None
    return np.dtype(
        {
            "names": fields,
            "formats": [layout[field] for field in fields],
            "offsets": [layout.fields[field][1] for field in fields],
            "itemsize": layout.itemsize,
        }
    )


class OpenOrder:
    """Where an open order stands, for the events that name it by its id alone."""

    __slots__ = ("display_lots", "number", "rank", "remaining_lots", "shown_lots", "side")

    def __init__(
        self, number: int, side: BookSide, rank: int, remaining_lots: int, display_lots: int
    ) -> None:
        self.number = number  # of the instrument
        self.side = side
        self.rank = rank
        self.remaining_lots = remaining_lots
        self.shown_lots = 0
        self.display_lots = display_lots  # an iceberg's; 0: all is shown

    @property
    def hidden_lots(self) -> int:
        """What the order has open beside what the book shows of it."""
        return self.remaining_lots - self.shown_lots


class OpenOrders:
    """All open orders of the books by their ids, and the stops that wait outside them."""

    def __init__(self, instruments: dict[int, Instrument]) -> None:
        self._instruments = instruments  # by number; the market's own
        self._orders: dict[int, OpenOrder] = {}
        self._pending: set[int] = set()

    def load(self, orders: np.ndarray) -> None:
        """Enter what is in the book, and remember the stops that wait outside it."""
        is_pending = orders["resting"] == Resting.STOPS
        self._pending = set(orders["order_id"][is_pending].tolist())
        in_book = orders[orders["resting"] == Resting.BOOK]
        for order in rows(in_book, _STATE_FIELDS):
            self._enter(*order)

    def follow(self, kind: int, row: tuple[int, ...]) -> None:
        """Apply one event of an order: it enters its level, moves, changes or leaves.

        One that trades at once leaves within the same step. What an iceberg shows follows from its
        trades: a filled slice is followed by the next at once.
        """
        order_id, _, _, _, remaining_lots, _, stop_ticks, reason, order_type = row
        if order_type >= _FIRST_OFF_BOOK:
            return
        if kind == _ACCEPTED and stop_ticks:
            self._pending.add(order_id)
        elif order_id in self._pending:
            if kind != _AMENDED:
                self._pending.remove(order_id)
            if kind == _TRIGGERED:
                self._enter(*row[:6])
        elif kind == _AMENDED and reason != Reason.PRIORITY_LOST:
            shown_lots = min(remaining_lots, self._orders[order_id].shown_lots)
            self._resize(order_id, remaining_lots, shown_lots)
        else:
            if kind != _ACCEPTED:
                self._leave(order_id)
            if kind != _CANCELLED:
                self._enter(*row[:6])

    def _enter(  # noqa: PLR0917 - the fields of an event, as they stand in its row
        self,
        order_id: int,
        number: int,
        side: int,
        price_ticks: int,
        remaining_lots: int,
        display_lots: int,
        shown_lots: int = 0,
    ) -> None:
        """Put an order into its level; it shows a whole slice, unless `shown_lots` says less."""
        instrument = self._instruments[number]
        book_side = instrument.book.sides[side]
        rank = book_side.sign * price_ticks
        order = OpenOrder(number, book_side, rank, remaining_lots, display_lots)
        order.shown_lots = shown_lots or min(remaining_lots, display_lots or remaining_lots)
        self._orders[order_id] = order
        book_side.add(rank, order.shown_lots, 1)
        if display_lots:
            book_side.hide(rank, order.hidden_lots)
        if instrument.listing is not None:
            instrument.listing.enter(order_id, side, price_ticks, order.shown_lots)

    def _leave(self, order_id: int) -> None:
        order = self._orders.pop(order_id)
        order.side.add(order.rank, -order.shown_lots, -1)
        if order.display_lots:
            order.side.hide(order.rank, -order.hidden_lots)
        listing = self._instruments[order.number].listing
        if listing is not None:
            listing.leave(order_id)

    def _resize(self, order_id: int, remaining_lots: int, shown_lots: int) -> None:
        """Let an order have so much open, and show so much of it, where it stands."""
        order = self._orders[order_id]
        order.side.add(order.rank, shown_lots - order.shown_lots, 0)
        if order.display_lots:
            order.side.hide(order.rank, remaining_lots - shown_lots - order.hidden_lots)
        order.remaining_lots = remaining_lots
        order.shown_lots = shown_lots
        listing = self._instruments[order.number].listing
        if listing is not None:
            listing.resize(order_id, shown_lots)

    def reduce(self, order_id: int, quantity_lots: int, *, is_maker: bool) -> None:
        """Take what an order traded off it: off its slice, or, coming in, off the whole."""
        order = self._orders[order_id]
        if order.remaining_lots == quantity_lots:
            self._leave(order_id)
            return
        remaining_lots = order.remaining_lots - quantity_lots
        shown_lots = order.shown_lots - quantity_lots
        is_refreshed = order.display_lots and not (is_maker and shown_lots)
        if is_refreshed:
            shown_lots = min(remaining_lots, order.display_lots)
        self._resize(order_id, remaining_lots, shown_lots)
        listing = self._instruments[order.number].listing
        if is_refreshed and is_maker and listing is not None:
            listing.requeue(order_id)


def rows(
    records: np.ndarray, fields: tuple[str, ...], where: np.ndarray | None = None
) -> Iterator[tuple[int, ...]]:
    """The named fields of the records, as tuples of plain integers."""
    columns = (records[field] if where is None else records[field][where] for field in fields)
    return zip(*(column.tolist() for column in columns), strict=True)
