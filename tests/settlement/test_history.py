"""Orders and fills read back: each account its own, newest first, page by page."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from engine.codes import Side
from engine.packed_texts import pack_client_id
from settlement import history
from settlement.database import Database
from settlement.errors import Refused
from settlement.history import Page

BUY, SELL = Side.BUY, Side.SELL


def read_all(read: Callable[..., Page[Any]]) -> list[Any]:
    """All pages of a list, put together."""
    items, cursor = [], None
    while True:
        page = read(cursor=cursor)
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items


def test_orders_by_id_and_client_id(exchange: Any) -> None:
    """An order is found by either id, by its own account alone."""
    order_id = exchange.order(1, 1, SELL, 5_000, 10)
    exchange.intake.flush()
    high, low, _ = pack_client_id("c1")
    with exchange.database.read() as session:
        for account, expected in ((1, order_id), (2, None)):
            for found in (
                history.order(session, account, order_id),
                history.order_by_client_id(session, account, high, low),
            ):
                assert (found and found.order_id) == expected
        assert history.order(session, 1, order_id + 1) is None
        assert history.order_by_client_id(session, 1, 0, 0) is None


def test_lists_of_orders(exchange: Any) -> None:
    """Filters by symbol and status, newest first, over pages of any size."""
    exchange.define(2, "XM-CER")
    placed = [exchange.order(1, 1, SELL, 5_000 + price, 10) for price in range(5)]
    exchange.order(2, 1, BUY, 5_000, 10)
    exchange.cancel(1, placed[4])
    exchange.intake.flush()
    cases: list[tuple[dict[str, Any], list[int]]] = [
        ({}, placed[::-1]),
        ({"symbol": "GD-PHCER"}, placed[::-1]),
        ({"symbol": "XM-CER"}, []),
        ({"symbol": "NOWHERE"}, []),
        ({"statuses": ["open"]}, placed[3:0:-1]),
        ({"statuses": ["filled", "cancelled"]}, [placed[4], placed[0]]),
    ]
    with exchange.database.read() as session:
        for filters, expected in cases:
            for limit in (1, 2, 5, 100):
                found = read_all(partial(history.orders, session, 1, limit=limit, **filters))
                assert [order.order_id for order in found] == expected, (filters, limit)


def test_fills_of_both_sides(exchange: Any) -> None:
    """A trade is a fill of its maker and of its taker, with their own fee and side."""
    first = exchange.order(1, 1, SELL, 5_000, 10)
    second = exchange.order(2, 1, BUY, 5_000, 4)
    third = exchange.order(1, 1, BUY, 4_990, 3)
    fourth = exchange.order(2, 1, SELL, 4_990, 3)
    exchange.intake.flush()
    with exchange.database.read() as session:
        for limit in (1, 10):
            found = read_all(partial(history.fills, session, 1, limit=limit))
            assert [
                (fill.order_id, fill.side, fill.quantity_lots, fill.fee_fen, fill.is_maker)
                for fill in found
            ] == [(third, BUY, 3, 14, True), (first, SELL, 4, 20, True)]
        found = history.fills(session, 2, order_id=second).items
        assert [(fill.side, fill.fee_fen, fill.is_maker) for fill in found] == [(BUY, 60, False)]
        assert history.fills(session, 2, symbol="NOWHERE").items == []
        by_order = history.fills_of_orders(session, [first, second, third, fourth])
        assert {key: [fill.trade_id for fill in fills] for key, fills in by_order.items()} == {
            first: [1],
            second: [1],
            third: [2],
            fourth: [2],
        }


def test_trades_are_read_in_portions(exchange: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All trades from a time on, oldest first, however many there are."""
    monkeypatch.setattr(history, "_STREAM_ROWS", 2)
    for _ in range(5):
        exchange.order(1, 1, SELL, 5_000, 1)
        exchange.order(2, 1, BUY, 5_000, 1)
    exchange.intake.flush()
    with exchange.database.read() as session:
        trades = [(trade.trade_id, symbol) for trade, symbol in history.trades_since(session, 0)]
        assert trades == [(number, "GD-PHCER") for number in range(1, 6)]
        third = list(history.trades_since(session, 0))[2][0]
        later = history.trades_since(session, third.time_ns)
        assert [trade.trade_id for trade, _ in later] == [3, 4, 5]


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "１", "9" * 19])
def test_a_cursor_that_is_none(database: Database, cursor: str) -> None:
    """Whatever no list has given out is refused."""
    with database.read() as session:
        for read in (history.orders, history.fills):
            with pytest.raises(Refused) as refused:
                read(session, 1, cursor=cursor)
            assert (refused.value.code, refused.value.field) == ("invalid_request", "cursor")
