"""Orders and fills wherever they are: in the gateway's memory, else in the database.

The database lags the engine by a moment, so a list is the database's page with everything on top
that has changed in memory since the intake's checkpoint.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.instruments import Instrument
from api.order_views import OrderView, view_of_row
from settlement import history
from settlement.history import Fill
from settlement.intake import checkpoint
from settlement.ledger import CHUNK
from settlement.tables.trading import Order

if TYPE_CHECKING:
    from api.gateway import Gateway

Item = TypeVar("Item")


class Filter(NamedTuple):
    """Which part of an account's orders or fills is wanted, newest first."""

    account: int
    limit: int
    cursor: str | None = None
    instrument: Instrument | None = None
    statuses: Collection[str] = ()
    order_id: int | None = None

    @property
    def symbol(self) -> str | None:
        return None if self.instrument is None else self.instrument.symbol

    def takes(self, number: int) -> bool:
        """Whether things of the instrument `number` are wanted."""
        return self.instrument is None or self.instrument.number == number


def views(session: Session, order_ids: list[int]) -> list[OrderView]:
    """What the intake knows of these orders: with it memory starts."""
    found: list[OrderView] = []
    for start in range(0, len(order_ids), CHUNK):
        chunk = order_ids[start : start + CHUNK]
        found += _views(
            session, session.scalars(select(Order).where(Order.order_id.in_(chunk))).all()
        )
    return found


def find(
    session: Session, account: int, order_id: int, client_id: tuple[int, int]
) -> OrderView | None:
    """The account's order by its id, or by the client's if that is 0."""
    row = (
        history.order(session, account, order_id)
        if order_id
        else history.order_by_client_id(session, account, *client_id)
    )
    return None if row is None else _views(session, [row])[0]


async def orders(gateway: Gateway, wanted: Filter) -> history.Page[OrderView]:
    """A page of the account's orders."""
    live = gateway.live_orders
    done, page = await asyncio.to_thread(_read_orders, gateway, wanted)
    found = {view.order_id: view for view in page.items}
    for view in live.orders_since(wanted.account, done + 1):
        if _is_on_page(view.order_id, page, wanted) and wanted.takes(view.instrument):
            found[view.order_id] = view
    # What memory knows is newer, and decides whether an order still has the status asked for.
    newest = {order_id: live.get(order_id) or view for order_id, view in found.items()}
    matching = {
        order_id: view
        for order_id, view in newest.items()
        if not wanted.statuses or view.status in wanted.statuses
    }
    return _cut(matching, wanted, page.next_cursor)


async def fills(gateway: Gateway, wanted: Filter) -> history.Page[Fill]:
    """A page of the account's fills."""
    done, page = await asyncio.to_thread(_read_fills, gateway, wanted)
    found = {fill.trade_id: fill for fill in page.items}
    for fill in gateway.live_orders.fills_since(wanted.account, done + 1):
        if (
            _is_on_page(fill.trade_id, page, wanted)
            and wanted.takes(fill.instrument)
            and wanted.order_id in (None, fill.order_id)
        ):
            found[fill.trade_id] = fill
    return _cut(found, wanted, page.next_cursor)


def _views(session: Session, rows: Collection[Order]) -> list[OrderView]:
    of_orders = history.fills_of_orders(session, [row.order_id for row in rows])
    return [view_of_row(row, of_orders.get(row.order_id, [])) for row in rows]


def _read_orders(gateway: Gateway, wanted: Filter) -> tuple[int, history.Page[OrderView]]:
    with gateway.database.read() as session:
        page = history.orders(
            session,
            wanted.account,
            symbol=wanted.symbol,
            statuses=wanted.statuses,
            cursor=wanted.cursor,
            limit=wanted.limit,
        )
        views = _views(session, page.items)
        return checkpoint(session), history.Page(views, page.next_cursor)


def _read_fills(gateway: Gateway, wanted: Filter) -> tuple[int, history.Page[Fill]]:
    with gateway.database.read() as session:
        page = history.fills(
            session,
            wanted.account,
            symbol=wanted.symbol,
            order_id=wanted.order_id,
            cursor=wanted.cursor,
            limit=wanted.limit,
        )
        return checkpoint(session), page


def _is_on_page(number: int, page: history.Page[Item], wanted: Filter) -> bool:
    """Whether a thing of memory with this id lies in the page's range of ids."""
    if wanted.cursor is not None and number >= int(wanted.cursor):
        return False
    return page.next_cursor is None or number > int(page.next_cursor)


def _cut(found: dict[int, Item], wanted: Filter, next_cursor: str | None) -> history.Page[Item]:
    """Newest first; what memory added may have pushed some of it to the next page."""
    ids = sorted(found, reverse=True)
    if len(ids) > wanted.limit:
        ids = ids[: wanted.limit]
        next_cursor = str(ids[-1])
    return history.Page([found[number] for number in ids], next_cursor)
