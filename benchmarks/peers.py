"""Order books from PyPI, each driven through its own interface with the flow of `workloads`.

A peer is a book and nothing else: no accounts, no means, no fees, no events to keep. What it does
not have is made of what it has: a replacement is a cancellation and a new order, an immediate order
is an order whose rest is cancelled. Trades are kept as the peer reports them and put into the
common form after the clock has stopped.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

import numpy as np

from benchmarks.workloads import Message
from engine.codes import CommandKind, EventKind, Side
from engine.records import ORDER_EVENT, TRADE_EVENT

_SYMBOL = "BENCH"


class Fill(NamedTuple):
    """One trade, in the words of the flow: client ids, so that different engines compare."""

    maker_client_id: int
    taker_client_id: int
    price_ticks: int
    quantity_lots: int


class Peer(Protocol):
    """A book from elsewhere: takes a flow, then tells what traded."""

    def apply(self, flow: list[Message]) -> None: ...

    def fills(self) -> list[Fill]: ...


class PyOrderBook:
    """pyorderbook: heaps of levels, prices as Decimal, ids as UUID."""

    def __init__(self) -> None:
        package = importlib.import_module("pyorderbook")
        self._book: Any = package.Book()
        self._new = {Side.BUY: package.bid, Side.SELL: package.ask}
        self._orders: dict[int, Any] = {}
        self._client_ids: dict[Any, int] = {}
        self._trades: list[list[Any]] = []

    def apply(self, flow: list[Message]) -> None:
        book, orders = self._book, self._orders
        for kind, side, client_id, price_ticks, quantity_lots, is_ioc in flow:
            if kind != CommandKind.NEW_ORDER:
                if book.get_order(orders[client_id].id) is None:
                    continue
                book.cancel(orders[client_id])
            if kind != CommandKind.CANCEL_ORDER:
                order = self._new[Side(side)](_SYMBOL, price_ticks, quantity_lots)
                orders[client_id] = order
                self._client_ids[order.id] = client_id
                blotter = book.match(order)
                if blotter.trades:
                    self._trades.append(blotter.trades)
                if is_ioc and order.quantity:
                    book.cancel(order)

    def fills(self) -> list[Fill]:
        return [
            Fill(
                self._client_ids[trade.standing_order_id],
                self._client_ids[trade.incoming_order_id],
                int(trade.fill_price),
                trade.fill_quantity,
            )
            for trades in self._trades
            for trade in trades
        ]


class LightMatchingEngine:
    """lightmatchingengine: a dict of prices for each side, a list of orders for each price."""

    def __init__(self) -> None:
        package = importlib.import_module("lightmatchingengine.lightmatchingengine")
        self._engine: Any = package.LightMatchingEngine()
        self._sides = {Side.BUY: package.Side.BUY, Side.SELL: package.Side.SELL}
        self._orders: dict[int, Any] = {}
        self._client_ids: dict[int, int] = {}
        self._trades: list[list[Any]] = []

    def apply(self, flow: list[Message]) -> None:
        engine, orders = self._engine, self._orders
        for kind, side, client_id, price_ticks, quantity_lots, is_ioc in flow:
            if kind != CommandKind.NEW_ORDER:
                # It keeps filled orders under their ids, and fails when asked to cancel one.
                if not orders[client_id].leaves_qty:
                    continue
                engine.cancel_order(orders[client_id].order_id, _SYMBOL)
            if kind != CommandKind.CANCEL_ORDER:
                order, trades = engine.add_order(
                    _SYMBOL, price_ticks, quantity_lots, self._sides[Side(side)]
                )
                orders[client_id] = order
                self._client_ids[order.order_id] = client_id
                if trades:
                    self._trades.append(trades)
                if is_ioc and order.leaves_qty:
                    engine.cancel_order(order.order_id, _SYMBOL)

    def fills(self) -> list[Fill]:
        """One of its lines tells the taker's total at a price, the lines after it each maker's."""
        fills = []
        for trades in self._trades:
            taker_order_id = trades[0].order_id
            fills += [
                Fill(
                    self._client_ids[trade.order_id],
                    self._client_ids[taker_order_id],
                    trade.trade_price,
                    trade.trade_qty,
                )
                for trade in trades
                if trade.order_id != taker_order_id
            ]
        return fills


class PeerPackage(NamedTuple):
    """A distribution's name, the module that tells whether it is there, and its adapter."""

    distribution: str
    module: str
    make: Callable[[], Peer]


PEERS = (
    PeerPackage("pyorderbook", "pyorderbook", PyOrderBook),
    PeerPackage("lightmatchingengine", "lightmatchingengine", LightMatchingEngine),
)


def engine_fills(batches: Iterable[np.ndarray]) -> list[Fill]:
    """The trades among the engine's events (EVENT), batch by batch from the first order on."""
    client_ids: dict[int, int] = {}
    fills = []
    for events in batches:
        orders, trades = events.view(ORDER_EVENT), events.view(TRADE_EVENT)
        for place, kind in enumerate(events["kind"].tolist()):
            if kind == EventKind.ORDER_ACCEPTED:
                order = orders[place]
                client_ids[int(order["order_id"])] = int(order["client_id_low"])
            elif kind == EventKind.TRADE:
                trade = trades[place]
                fills.append(
                    Fill(
                        client_ids[int(trade["maker_order_id"])],
                        client_ids[int(trade["taker_order_id"])],
                        int(trade["price_ticks"]),
                        int(trade["quantity_lots"]),
                    )
                )
    return fills
