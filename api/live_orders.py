"""Orders in the gateway's memory: all that are open, and those that were closed lately.

Fed with the core's events, asked by the routes and the streams. Older orders are in the database
(settlement.history), which is read only when an order is not found here. This is the hot path of
the gateway: an event is unpacked once, by position, and nothing is rendered until somebody asks.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np

from api.order_views import OrderView
from engine.codes import EventKind, OrderType, Resting
from engine.records import EVENT, ORDER_EVENT, RECORD_BYTES, TRADE_EVENT
from settlement.history import Fill

Records = np.ndarray[Any, np.dtype[Any]]

CLOSED_ORDERS_KEPT = 100_000
FILLS_KEPT = 200_000


class Changes(NamedTuple):
    """What a batch of events did: each order touched, in its final state, and every fill."""

    orders: list[OrderView]
    fills: list[Fill]


def _layout(dtype: np.dtype[Any]) -> struct.Struct:
    """The record as a struct format: its named fields in order of offset, the rest skipped."""
    fields = dtype.fields
    assert fields is not None
    codes = {"i8": "q", "i4": "i", "u2": "H", "u1": "B"}
    form, position = "<", 0
    for name in dtype.names or ():
        kind, offset = fields[name][:2]
        if kind.subdtype is not None:
            continue  # the padding at the end
        form += "x" * (offset - position) + codes[kind.str[1:]]
        position = offset + kind.itemsize
    return struct.Struct(form)


_ORDER = _layout(ORDER_EVENT)
_TRADE = _layout(TRADE_EVENT)
assert EVENT.fields is not None
_KIND_OFFSET = EVENT.fields["kind"][1]
_ORDER_ACCEPTED, _ORDER_CANCELLED, _ORDER_AMENDED, _ORDER_TRIGGERED, _TRADED = (
    int(EventKind.ORDER_ACCEPTED),
    int(EventKind.ORDER_CANCELLED),
    int(EventKind.ORDER_AMENDED),
    int(EventKind.ORDER_TRIGGERED),
    int(EventKind.TRADE),
)
# What changes an order's view: an iceberg's next slice does not.
_ORDER_KINDS = (_ORDER_ACCEPTED, _ORDER_CANCELLED, _ORDER_AMENDED, _ORDER_TRIGGERED)


class LiveOrders:
    """All open orders, and the latest closed ones up to a bound.

    `sequence` is that of the last event applied. From `complete_from` on, memory knows every fill
    and every order that was closed; what lies before must be asked of the database.
    """

    def __init__(self, closed_kept: int = CLOSED_ORDERS_KEPT, fills_kept: int = FILLS_KEPT) -> None:
        self.sequence = 0
        self.complete_from = 1
        self._closed_kept = closed_kept
        self._fills_kept = fills_kept
        self._orders: dict[int, OrderView] = {}
        self._clients: dict[tuple[int, int, int], OrderView] = {}
        self._open: dict[int, dict[int, OrderView]] = {}
        self._closed: deque[OrderView] = deque()
        self._fills: deque[Fill] = deque()

    def load(self, sequence: int, orders: Records, past: Iterable[OrderView] = ()) -> None:
        """Start from the core's open orders (ORDER_STATE) as of `sequence`.

        `past` are the same orders as the database knows them: it adds what the core forgets, the
        fills and the times. Events up to `sequence` are skipped when they come again.
        """
        known = {view.order_id: view for view in past}
        self.sequence = sequence
        self.complete_from = sequence + 1
        for row in orders:
            view = _view_of_state(row)
            if (before := known.get(view.order_id)) is not None:
                _complete(view, before, sequence)
            self._add(view)

    def get(self, order_id: int) -> OrderView | None:
        return self._orders.get(order_id)

    def get_by_client_id(self, account: int, high: int, low: int) -> OrderView | None:
        """The account's order by the two halves of its client id (packed_texts.pack_client_id)."""
        return self._clients.get((account, high, low))

    def open_orders(self, account: int) -> list[OrderView]:
        """The account's open orders, oldest first."""
        return list(self._open.get(account, {}).values())

    def orders_since(self, account: int, sequence: int) -> list[OrderView]:
        """The account's orders that changed at `sequence` or later, by their latest change."""
        found = [view for view in self.open_orders(account) if view.sequence >= sequence]
        found += _until(self._closed, account, sequence)
        return sorted(found, key=lambda view: view.sequence)

    def fills_since(self, account: int, sequence: int) -> list[Fill]:
        """The account's fills at `sequence` or later, oldest first."""
        return list(_until(self._fills, account, sequence))[::-1]

    def apply(self, events: Records) -> Changes:
        """Take the events of whole commands, in order; those already known are skipped."""
        data = events.tobytes()
        touched: dict[int, OrderView] = {}
        fills: list[Fill] = []
        for offset in range(0, len(data), RECORD_BYTES):
            kind = data[offset + _KIND_OFFSET]
            if kind == _TRADED:
                self._trade(_TRADE.unpack_from(data, offset), touched, fills)
            elif kind in _ORDER_KINDS:
                self._order(kind, _ORDER.unpack_from(data, offset), touched)
        if len(events):
            self.sequence = max(self.sequence, int(events[-1]["sequence"]))
        self._forget()
        return Changes(list(touched.values()), fills)

    def _order(self, kind: int, values: tuple[int, ...], touched: dict[int, OrderView]) -> None:
        sequence, time_ns, _, instrument, _, _, _, order_id, client_high, client_low = values[:10]
        price, quantity, remaining, stop, display, expires_at_ns = values[10:16]
        account, scheme, _, side = values[16:20]
        order_type, time_in_force, flags, self_trade_prevention, purpose, reason = values[20:26]
        if sequence <= self.sequence:
            return
        if kind == _ORDER_ACCEPTED:
            view = OrderView(
                order_id, account, instrument, client_high, client_low, side, order_type,
                time_in_force, flags, self_trade_prevention, purpose, scheme, price, quantity,
                remaining, time_ns, time_ns, sequence, entered_price_ticks=price,
                entered_quantity_lots=quantity, expires_at_ns=expires_at_ns,
                minimum_quantity_lots=values[27], stop_price_ticks=stop,
                display_quantity_lots=display, resting=_resting(order_type, stop),
            )  # fmt: skip
            self._add(view)
            touched[order_id] = view
            return
        view = self._orders[order_id]
        view.updated_time_ns = time_ns
        view.sequence = sequence
        touched[order_id] = view
        if kind == _ORDER_AMENDED:
            view.price_ticks = price
            view.quantity_lots = quantity
            view.remaining_lots = remaining
        elif kind == _ORDER_TRIGGERED:
            view.resting = Resting.BOOK
        else:
            view.remaining_lots = 0
            view.reason = reason
            self._close(view)

    def _trade(
        self, values: tuple[int, ...], touched: dict[int, OrderView], fills: list[Fill]
    ) -> None:
        sequence, time_ns, _, instrument, _, _, _, trade_id, maker_id, taker_id = values[:10]
        price, quantity, maker_remaining, taker_remaining, maker_fee, taker_fee = values[10:16]
        maker_account, taker_account, taker_side, _, _, trade_type = values[16:22]
        if sequence <= self.sequence:
            return
        for order_id, account, side, fee, remaining, is_maker in (
            (maker_id, maker_account, 1 - taker_side, maker_fee, maker_remaining, True),
            (taker_id, taker_account, taker_side, taker_fee, taker_remaining, False),
        ):
            fill = Fill(
                sequence, time_ns, trade_id, order_id, account, instrument, side, price, quantity,
                fee, is_maker, trade_type,
            )  # fmt: skip
            view = self._orders[order_id]
            view.add_fill(fill, remaining)
            if remaining == 0:
                self._close(view)
            touched[order_id] = view
            fills.append(fill)
            self._fills.append(fill)

    def _add(self, view: OrderView) -> None:
        self._orders[view.order_id] = view
        self._open.setdefault(view.account, {})[view.order_id] = view
        if view.client_id_high or view.client_id_low:
            self._clients[view.account, view.client_id_high, view.client_id_low] = view

    def _close(self, view: OrderView) -> None:
        of_account = self._open[view.account]
        del of_account[view.order_id]
        if not of_account:
            del self._open[view.account]
        self._closed.append(view)

    def _forget(self) -> None:
        """Drop the oldest beyond the bounds, and remember from where on nothing is missing."""
        while len(self._closed) > self._closed_kept:
            view = self._closed.popleft()
            del self._orders[view.order_id]
            self._clients.pop((view.account, view.client_id_high, view.client_id_low), None)
            self.complete_from = max(self.complete_from, view.sequence + 1)
        while len(self._fills) > self._fills_kept:
            self.complete_from = max(self.complete_from, self._fills.popleft().sequence + 1)


def _resting(order_type: int, stop_price_ticks: int) -> Resting:
    """Where an accepted order will rest, if anything is left of it."""
    if order_type >= OrderType.BLOCK:
        return Resting.OFF_BOOK
    return Resting.STOPS if stop_price_ticks else Resting.BOOK


_Item = TypeVar("_Item", OrderView, Fill)


def _until(kept: deque[_Item], account: int, sequence: int) -> Iterator[_Item]:
    """Those of the account, from the newest back to `sequence`; `kept` is in order of sequence."""
    for item in reversed(kept):
        if item.sequence < sequence:
            return
        if item.account == account:
            yield item


def _complete(view: OrderView, before: OrderView, sequence: int) -> None:
    """Add what the database knows of an order, but for what happened after `sequence`: the
    database may be ahead of the core's answer, and those events are still to come."""
    early = [fill for fill in before.fills if fill.sequence <= sequence]
    late = before.fills[len(early) :]
    view.created_time_ns = before.created_time_ns
    view.updated_time_ns = before.updated_time_ns
    view.sequence = min(before.sequence, sequence)
    view.fills = early
    view.entered_price_ticks = before.entered_price_ticks
    view.entered_quantity_lots = before.entered_quantity_lots
    view.minimum_quantity_lots = before.minimum_quantity_lots
    view.filled_ticks = before.filled_ticks - sum(
        fill.price_ticks * fill.quantity_lots for fill in late
    )


def _view_of_state(row: Any) -> OrderView:
    """An order as the core exports it (one row of ORDER_STATE)."""
    state = dict(zip(row.dtype.names, row.item(), strict=True))
    return OrderView(
        order_id=state["order_id"],
        account=state["account"],
        instrument=state["instrument"],
        client_id_high=state["client_id_high"],
        client_id_low=state["client_id_low"],
        side=state["side"],
        order_type=state["order_type"],
        time_in_force=state["time_in_force"],
        flags=state["flags"],
        self_trade_prevention=state["self_trade_prevention"],
        purpose=state["purpose"],
        scheme=state["scheme"],
        price_ticks=state["price_ticks"],
        quantity_lots=state["quantity_lots"],
        remaining_lots=state["remaining_lots"],
        created_time_ns=state["entered_time_ns"],
        updated_time_ns=state["entered_time_ns"],
        sequence=0,
        filled_lots=state["quantity_lots"] - state["remaining_lots"],
        entered_price_ticks=state["price_ticks"],
        entered_quantity_lots=state["quantity_lots"],
        expires_at_ns=state["expires_at_ns"],
        stop_price_ticks=state["stop_price_ticks"],
        display_quantity_lots=state["display_quantity_lots"],
        resting=state["resting"],
    )
