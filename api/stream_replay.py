"""The private past: what a client missed, from the database as far as memory does not reach.

Orders are replayed in their latest state, in the order of their latest change; fills one by one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from api.order_views import OrderView, view_of_row
from api.stream_hub import Subscriber
from settlement import history
from settlement.history import Fill

if TYPE_CHECKING:
    from api.gateway import Gateway

# The newest; what lies further back is for the lists of the REST interface.
MAX_REPLAYED = 2_000
_FILLS_PER_PAGE = 500


class Past(NamedTuple):
    """What the database knew from the wanted sequence on, oldest first."""

    orders: list[OrderView]
    fills: list[Fill]


async def read_past(gateway: Gateway, account: int, name: str, sequence: int | None) -> Past:
    """Read what memory has let go of; nothing if memory knows all from `sequence` on."""
    if sequence is None or name == "balances" or sequence >= gateway.live_orders.complete_from:
        return Past([], [])
    read = _read_orders if name == "orders" else _read_fills
    return await asyncio.to_thread(read, gateway, account, sequence)


def begin(
    gateway: Gateway, subscriber: Subscriber, name: str, sequence: int | None, past: Past
) -> None:
    """Subscribe to a private channel and send what happened in it since `sequence`.

    Nothing is awaited from reading memory to being subscribed, so nothing is missed between.
    """
    live, hub = gateway.live_orders, gateway.streams
    if sequence is None:
        hub.subscribe_private(subscriber, name, live.sequence)
        return
    hub.subscribe_private(subscriber, name, max(sequence - 1, 0))
    if name == "orders":
        orders = {view.order_id: view for view in past.orders}
        for view in live.orders_since(subscriber.account, sequence):
            orders[view.order_id] = view
        latest = sorted(orders.values(), key=lambda view: view.sequence)
        for view in latest[-MAX_REPLAYED:]:
            hub.send_order({subscriber}, view)
    elif name == "fills":
        fills = {(fill.trade_id, fill.order_id): fill for fill in past.fills}
        for fill in live.fills_since(subscriber.account, sequence):
            fills[fill.trade_id, fill.order_id] = fill
        for fill in list(fills.values())[-MAX_REPLAYED:]:
            hub.send_fill({subscriber}, fill)


def _read_orders(gateway: Gateway, account: int, sequence: int) -> Past:
    with gateway.database.read() as session:
        rows = history.orders_since(session, account, sequence, MAX_REPLAYED)
        fills = history.fills_of_orders(session, [row.order_id for row in rows])
        return Past([view_of_row(row, fills.get(row.order_id, [])) for row in rows], [])


def _read_fills(gateway: Gateway, account: int, sequence: int) -> Past:
    found: list[Fill] = []
    cursor: str | None = None
    with gateway.database.read() as session:
        while len(found) < MAX_REPLAYED:
            page = history.fills(session, account, cursor=cursor, limit=_FILLS_PER_PAGE)
            found += [fill for fill in page.items if fill.sequence >= sequence]
            cursor = page.next_cursor
            if cursor is None or page.items[-1].sequence < sequence:
                break
    return Past([], found[::-1])
