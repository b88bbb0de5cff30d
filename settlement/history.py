"""Reads orders and trades as the intake wrote them: the part of the past that memory has let go.

Lists come newest first, a page at a time; the cursor is the last id of the page before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from sqlalchemy import ScalarSelect, func, or_, select
from sqlalchemy.orm import Session

from engine.codes import Side
from settlement.errors import Refused
from settlement.ledger import CHUNK
from settlement.tables.trading import Instrument, Order, Trade

Item = TypeVar("Item")
_STREAM_ROWS = 10_000


class Page(NamedTuple, Generic[Item]):
    items: list[Item]
    next_cursor: str | None


class Fill(NamedTuple):
    """One side of a trade, as its account sees it."""

    sequence: int
    time_ns: int
    trade_id: int
    order_id: int
    account: int
    instrument: int
    side: int
    price_ticks: int
    quantity_lots: int
    fee_fen: int
    is_maker: bool
    trade_type: int


def instruments(session: Session) -> list[Instrument]:
    """All instruments in the order of their numbers."""
    return list(session.scalars(select(Instrument).order_by(Instrument.number)))


def order(session: Session, account: int, order_id: int) -> Order | None:
    """The account's order with this id; None for another account's too."""
    found = session.get(Order, order_id)
    return found if found is not None and found.account == account else None


def order_by_client_id(
    session: Session, account: int, client_id_high: int, client_id_low: int
) -> Order | None:
    """The order that the account placed under this client id (as engine.records packs it)."""
    if client_id_high == 0 and client_id_low == 0:
        return None
    query = select(Order).where(
        Order.account == account,
        Order.client_id_high == client_id_high,
        Order.client_id_low == client_id_low,
        or_(Order.client_id_high != 0, Order.client_id_low != 0),
    )
    return session.scalar(query)


def orders(
    session: Session,
    account: int,
    *,
    symbol: str | None = None,
    statuses: Collection[str] = (),
    cursor: str | None = None,
    limit: int = 100,
) -> Page[Order]:
    """The account's orders, newest first. Raises Refused for a cursor that is none of ours."""
    query = select(Order).where(Order.account == account)
    if symbol is not None:
        query = query.where(Order.instrument == _number_of(symbol))
    if statuses:
        query = query.where(Order.status.in_(statuses))
    if cursor is not None:
        query = query.where(Order.order_id < _read_cursor(cursor))
    found = session.scalars(query.order_by(Order.order_id.desc()).limit(limit + 1)).all()
    return _page(found, limit, [item.order_id for item in found[:limit]])


def fills(
    session: Session,
    account: int,
    *,
    symbol: str | None = None,
    order_id: int | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page[Fill]:
    """The account's fills, newest first. Raises Refused for a cursor that is none of ours."""
    found: list[Fill] = []
    for is_maker in (True, False):
        account_column = Trade.maker_account if is_maker else Trade.taker_account
        order_column = Trade.maker_order_id if is_maker else Trade.taker_order_id
        query = select(Trade).where(account_column == account)
        if symbol is not None:
            query = query.where(Trade.instrument == _number_of(symbol))
        if order_id is not None:
            query = query.where(order_column == order_id)
        if cursor is not None:
            query = query.where(Trade.trade_id < _read_cursor(cursor))
        query = query.order_by(Trade.trade_id.desc()).limit(limit + 1)
        found += [fill_of(trade, is_maker) for trade in session.scalars(query)]
    found.sort(key=lambda fill: fill.trade_id, reverse=True)
    return _page(found, limit, [fill.trade_id for fill in found[:limit]])


def orders_since(session: Session, account: int, sequence: int, limit: int) -> list[Order]:
    """The account's orders that changed last at `sequence` or later, the `limit` latest of them,
    in the order of their latest change."""
    query = select(Order).where(Order.account == account, Order.sequence >= sequence)
    return list(session.scalars(query.order_by(Order.sequence.desc()).limit(limit)))[::-1]


def fills_of_orders(session: Session, order_ids: Sequence[int]) -> dict[int, list[Fill]]:
    """The fills of each of these orders that has any, oldest first."""
    found: defaultdict[int, list[Fill]] = defaultdict(list)
    for start in range(0, len(order_ids), CHUNK):
        chunk = order_ids[start : start + CHUNK]
        for is_maker in (True, False):
            column = Trade.maker_order_id if is_maker else Trade.taker_order_id
            for trade in session.scalars(select(Trade).where(column.in_(chunk))):
                fill = fill_of(trade, is_maker)
                found[fill.order_id].append(fill)
    for fills_of_order in found.values():
        fills_of_order.sort(key=lambda fill: fill.trade_id)
    return dict(found)


def trades_since(session: Session, time_ns: int) -> Iterator[tuple[Trade, str]]:
    """Trades (each with its symbol) from `time_ns` on, oldest first, read in portions."""
    last_trade_id = 0
    while True:
        query = (
            select(Trade, Instrument.symbol)
            .join(Instrument, Instrument.number == Trade.instrument)
            .where(Trade.time_ns >= time_ns, Trade.trade_id > last_trade_id)
            .order_by(Trade.trade_id)
            .limit(_STREAM_ROWS)
        )
        portion = session.execute(query).all()
        yield from ((trade, symbol) for trade, symbol in portion)
        if len(portion) < _STREAM_ROWS:
            return
        last_trade_id = portion[-1][0].trade_id
        session.expunge_all()


def last_trade_id(session: Session) -> int:
    """The latest trade that is written; 0 if there is none."""
    return session.scalar(select(func.max(Trade.trade_id))) or 0


def tape(session: Session, instrument: int, before: int, limit: int) -> list[Trade]:
    """An instrument's trades with an id under `before`, newest first."""
    # The index is by sequence: trades of one command have one, and later trades none that is lower.
    earlier = select(Trade.sequence).where(Trade.trade_id < before).order_by(Trade.trade_id.desc())
    query = select(Trade).where(
        Trade.instrument == instrument,
        Trade.trade_id < before,
        Trade.sequence <= earlier.limit(1).scalar_subquery(),
    )
    newest_first = query.order_by(Trade.sequence.desc(), Trade.trade_id.desc())
    return list(session.scalars(newest_first.limit(limit)))


def fill_of(trade: Trade, is_maker: bool) -> Fill:
    """The maker's or the taker's side of a trade."""
    taker_side = Side(trade.taker_side)
    maker_side = Side.SELL if taker_side == Side.BUY else Side.BUY
    return Fill(
        sequence=trade.sequence,
        time_ns=trade.time_ns,
        trade_id=trade.trade_id,
        order_id=trade.maker_order_id if is_maker else trade.taker_order_id,
        account=trade.maker_account if is_maker else trade.taker_account,
        instrument=trade.instrument,
        side=maker_side if is_maker else taker_side,
        price_ticks=trade.price_ticks,
        quantity_lots=trade.quantity_lots,
        fee_fen=trade.maker_fee_fen if is_maker else trade.taker_fee_fen,
        is_maker=is_maker,
        trade_type=trade.trade_type,
    )


def _number_of(symbol: str) -> ScalarSelect[int]:
    return select(Instrument.number).where(Instrument.symbol == symbol).scalar_subquery()


def _read_cursor(cursor: str) -> int:
    if cursor.isascii() and cursor.isdecimal() and len(cursor) <= 18:
        return int(cursor)
    raise Refused("invalid_request", "the cursor is none of this list's", field="cursor")


def _page(found: Sequence[Item], limit: int, ids: Sequence[int]) -> Page[Item]:
    """`found` was asked for one more than `limit`: if it is there, another page follows."""
    return Page(list(found[:limit]), str(ids[-1]) if len(found) > limit else None)
