"""The public state of the whole market, kept up to date by the engine's events.

`Market` begins with the core's answer to the MARKET query and the trades of the past, then follows
the events. Books take only what is newer than that answer; the tape, candles and figures take every
trade that they have not seen, by trade id. So the stream of events may begin earlier than the
answer: where the stored trades end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from engine.codes import EventKind, Reason, Resting
from engine.records import (
    ADMIN_EVENT,
    INSTRUMENT_EVENT,
    ORDER_EVENT,
    TRADE_EVENT,
    unpack_text,
)
from marketdata.book import BookSide, LevelView
from marketdata.instrument import Instrument, Sequences, Trade

# Plain integers: a comparison with a member of an IntEnum costs as much as the work for an event.
_ACCEPTED = int(EventKind.ORDER_ACCEPTED)
_CANCELLED = int(EventKind.ORDER_CANCELLED)
_AMENDED = int(EventKind.ORDER_AMENDED)
_TRIGGERED = int(EventKind.ORDER_TRIGGERED)
_ORDER_KINDS = (_ACCEPTED, _CANCELLED, _AMENDED, _TRIGGERED)
_TRADE = int(EventKind.TRADE)
_DEFINED = int(EventKind.INSTRUMENT_DEFINED)
_PHASE_CHANGED = int(EventKind.PHASE_CHANGED)
_DAY_ROLLED = int(EventKind.DAY_ROLLED)

_ORDER_FIELDS = (
    *("order_id", "instrument", "side", "price_ticks", "remaining_lots"),
    *("display_quantity_lots", "stop_price_ticks", "reason"),
)
_STATE_FIELDS = ("order_id", "instrument", "side", "price_ticks", "remaining_lots", "shown_lots")
_TRADE_FIELDS = (
    "instrument",
    "maker_order_id",
    "taker_order_id",
    "trade_id",
    "price_ticks",
    "quantity_lots",
    "taker_side",
    "time_ns",
)


class PastTrade(NamedTuple):
    """A stored trade from before the stream of events; `trading_day` counts from 1970-01-01."""

    trade_id: int
    symbol: str
    price_ticks: int
    quantity_lots: int
    taker_side: int
    time_ns: int
    trading_day: int


class InstrumentChange(NamedTuple):
    """What one step changed of one instrument, and where its sequences stood before."""

    instrument: Instrument
    levels: tuple[list[LevelView], list[LevelView]] | None  # bids, asks
    trades: list[Trade]
    ticker: bool
    previous: Sequences


class _OpenOrder:
    """Where an open order stands, for the events that name it by its id alone."""

    __slots__ = ("display_lots", "rank", "remaining_lots", "shown_lots", "side")

    def __init__(
        self, side: BookSide, rank: int, remaining_lots: int, shown_lots: int, display_lots: int
    ) -> None:
        self.side = side
        self.rank = rank
        self.remaining_lots = remaining_lots
        self.shown_lots = shown_lots
        self.display_lots = display_lots  # an iceberg's; 0: all is shown


class Market:
    """All instruments by number and by symbol, and the place of every open order."""

    def __init__(self) -> None:
        self.sequence = 0  # of the last command whose events were applied
        self._loaded_sequence = 0
        self._last_trade_id = 0
        self._by_number: dict[int, Instrument] = {}
        self._by_symbol: dict[str, Instrument] = {}
        self._orders: dict[int, _OpenOrder] = {}
        self._pending: set[int] = set()  # stop orders that are in no book yet
        # Instruments of the present step by number, each with its new trades.
        self._touched: dict[int, list[Trade]] = {}

    def load(
        self,
        sequence: int,
        instruments: np.ndarray,
        orders: np.ndarray,
        past_trades: Iterable[PastTrade] = (),
    ) -> None:
        """Begin from the core's state at `sequence` (INSTRUMENT_STATE and ORDER_STATE arrays).

        `past_trades` come in ascending order of trade id and may end before `sequence`.
        """
        self.sequence = self._loaded_sequence = sequence
        names = instruments.dtype.names or ()
        for number in np.flatnonzero(instruments["is_defined"]).tolist():
            row = dict(zip(names, instruments[number].tolist(), strict=True))
            instrument = self._define(number, row)
            instrument.phase = row["phase"]
            instrument.statistics.set_last(row["last_price_ticks"], 0, 0)
        self._load_orders(orders)
        for past in past_trades:
            instrument = self._by_symbol[past.symbol]
            trade = Trade(past.trade_id, *past[2:6])
            instrument.add_trade(trade, past.trading_day == instrument.trading_day)
            self._touched[instrument.number] = [trade]
            self._last_trade_id = past.trade_id
        self._take_changes()
        for instrument in self._by_number.values():
            instrument.sequences = instrument.sequences._replace(book=sequence, ticker=sequence)

    @property
    def instruments(self) -> list[Instrument]:
        """All instruments, in the order of their numbers."""
        return [self._by_number[number] for number in sorted(self._by_number)]

    def instrument(self, symbol: str) -> Instrument:
        """The instrument of that symbol. Raises KeyError."""
        return self._by_symbol[symbol]

    def book(self, symbol: str, depth: int | None = 10) -> dict[str, Any]:
        """The best `depth` levels of both sides (None: all of them). Raises KeyError.

        The checksum is over the best ten levels, whatever the depth.
        """
        instrument = self._by_symbol[symbol]
        book = instrument.book
        return {
            "symbol": symbol,
            "sequence": instrument.sequences.book,
            "bids": book.bids.depth(depth),
            "asks": book.asks.depth(depth),
            "checksum": book.checksum,
        }

    def trades(self, symbol: str, limit: int = 100, cursor: str | None = None) -> dict[str, Any]:
        """The latest trades, newest first, a page at a time, as far back as they are kept here.

        Raises KeyError for an unknown symbol, ValueError for what is no cursor.
        """
        instrument = self._by_symbol[symbol]
        items, next_cursor = _page(instrument.trades, "trade_id", limit, cursor)
        return {
            "items": [instrument.trade_view(trade) for trade in items],
            "next_cursor": next_cursor,
        }

    def ticker(self, symbol: str) -> dict[str, Any]:
        """The ticker. Raises KeyError for an unknown symbol."""
        return self._by_symbol[symbol].ticker_view()

    def candles(
        self, symbol: str, interval: str = "1m", limit: int = 100, cursor: str | None = None
    ) -> dict[str, Any]:
        """Candles of one of candles.INTERVALS_NS, newest first, a page at a time.

        Raises KeyError for an unknown symbol or interval, ValueError for what is no cursor.
        """
        instrument = self._by_symbol[symbol]
        series = instrument.candles.series(interval)
        items, next_cursor = _page(series, "start_seconds", limit, cursor)
        return {
            "items": [candle.view(instrument.tick_fen) for candle in items],
            "next_cursor": next_cursor,
        }

    def apply(self, events: np.ndarray) -> list[InstrumentChange]:
        """Follow the events (dtype EVENT) of whole commands, in order; returns what changed."""
        if not len(events):
            return []
        first_new = int(np.searchsorted(events["sequence"], self._loaded_sequence, side="right"))
        if first_new:
            self._catch_up(events[:first_new])
        if first_new < len(events):
            self._follow(events[first_new:])
            self.sequence = int(events["sequence"][-1])
        return self._take_changes()

    def _follow(self, events: np.ndarray) -> None:
        """Apply events that the loaded state does not contain yet."""
        kinds = events["kind"]
        is_order = np.isin(kinds, _ORDER_KINDS)
        orders = _rows(events.view(ORDER_EVENT), _ORDER_FIELDS, is_order)
        trades = _rows(events.view(TRADE_EVENT), _TRADE_FIELDS, kinds == _TRADE)
        for index, kind in enumerate(kinds.tolist()):
            if kind == _TRADE:
                number, maker_order_id, taker_order_id, *trade = next(trades)
                self._reduce(maker_order_id, trade[2], is_maker=True)
                self._reduce(taker_order_id, trade[2], is_maker=False)
                self._record(number, Trade(*trade))
            elif kind in _ORDER_KINDS:
                row = next(orders)
                self._follow_order(kind, row)
                self._touched.setdefault(row[1], [])
            elif kind in (_DEFINED, _PHASE_CHANGED, _DAY_ROLLED):
                self._administer(kind, events[index : index + 1])

    def _catch_up(self, events: np.ndarray) -> None:
        """Take only tape and figures from events that the loaded state contains already."""
        kinds = events["kind"]
        trades = _rows(events.view(TRADE_EVENT), _TRADE_FIELDS, kinds == _TRADE)
        for index in np.flatnonzero((kinds == _TRADE) | (kinds == _DAY_ROLLED)).tolist():
            if kinds[index] == _TRADE:
                number, _, _, *trade = next(trades)
                self._record(number, Trade(*trade))
            else:
                self._by_number[int(events["instrument"][index])].statistics.roll()

    def _administer(self, kind: int, event: np.ndarray) -> None:
        """Apply one event about an instrument itself."""
        number = int(event["instrument"][0])
        self._touched.setdefault(number, [])
        if kind == _DEFINED:
            names = INSTRUMENT_EVENT.names or ()
            row = event.view(INSTRUMENT_EVENT)[0].tolist()
            self._define(number, dict(zip(names, row, strict=True)))
            return
        instrument = self._by_number[number]
        names = ADMIN_EVENT.names or ()
        fields = dict(zip(names, event.view(ADMIN_EVENT)[0].tolist(), strict=True))
        if kind == _PHASE_CHANGED:
            instrument.phase = fields["phase"]
        else:
            instrument.set_day(fields)
            instrument.statistics.roll()

    def _define(self, number: int, fields: dict[str, Any]) -> Instrument:
        """A new instrument from an INSTRUMENT_STATE or INSTRUMENT_EVENT row."""
        symbol = unpack_text(fields["symbol_high"], fields["symbol_low"])
        instrument = Instrument(number, symbol, fields["tick_fen"])
        instrument.set_day(fields)
        self._by_number[number] = self._by_symbol[symbol] = instrument
        self._touched[number] = []
        return instrument

    def _load_orders(self, orders: np.ndarray) -> None:
        """Enter what is in the book, and remember the stops that wait outside it."""
        is_pending = orders["resting"] == Resting.STOPS
        self._pending = set(orders["order_id"][is_pending].tolist())
        in_book = orders[orders["resting"] == Resting.BOOK]
        displays = in_book["display_quantity_lots"].tolist()
        for order, display_lots in zip(_rows(in_book, _STATE_FIELDS), displays, strict=True):
            order_id, number, side, price_ticks, remaining_lots, shown_lots = order
            place = self._by_number[number].book.sides[side], price_ticks
            self._enter(order_id, place, remaining_lots, shown_lots, display_lots)

    def _follow_order(self, kind: int, row: tuple[int, ...]) -> None:
        """Apply one event of an order: it enters its level, moves, changes or leaves.

        One that trades at once leaves within the same step. What an iceberg shows follows from its
        trades: a filled slice is followed by the next at once.
        """
        order_id, number, side, price_ticks, remaining_lots, display_lots, stop_ticks, reason = row
        place = self._by_number[number].book.sides[side], price_ticks
        if kind == _ACCEPTED and stop_ticks:
            self._pending.add(order_id)
        elif order_id in self._pending:
            if kind != _AMENDED:
                self._pending.remove(order_id)
            if kind == _TRIGGERED:
                self._enter(order_id, place, remaining_lots, remaining_lots, 0)
        else:
            shown_lots = min(remaining_lots, display_lots or remaining_lots)
            if kind != _ACCEPTED:
                before = self._leave(order_id)
                if reason != Reason.PRIORITY_LOST:
                    shown_lots = min(remaining_lots, before.shown_lots)
            if kind != _CANCELLED:
                self._enter(order_id, place, remaining_lots, shown_lots, display_lots)

    def _enter(
        self,
        order_id: int,
        place: tuple[BookSide, int],
        remaining_lots: int,
        shown_lots: int,
        display_lots: int,
    ) -> None:
        """Put an order into the level of its side and price."""
        side, price_ticks = place
        rank = side.sign * price_ticks
        order = _OpenOrder(side, rank, remaining_lots, shown_lots, display_lots)
        self._orders[order_id] = order
        side.add(rank, shown_lots, 1)

    def _leave(self, order_id: int) -> _OpenOrder:
        order = self._orders.pop(order_id)
        order.side.add(order.rank, -order.shown_lots, -1)
        return order

    def _reduce(self, order_id: int, quantity_lots: int, *, is_maker: bool) -> None:
        """Take what an order traded off it: off its slice, or, coming in, off the whole."""
        order = self._orders[order_id]
        if order.remaining_lots == quantity_lots:
            self._leave(order_id)
            return
        order.remaining_lots -= quantity_lots
        shown_lots = order.shown_lots - quantity_lots
        if order.display_lots and not (is_maker and shown_lots):
            shown_lots = min(order.remaining_lots, order.display_lots)
        order.side.add(order.rank, shown_lots - order.shown_lots, 0)
        order.shown_lots = shown_lots

    def _record(self, number: int, trade: Trade) -> None:
        """Put a trade on the tape, unless it came with the past trades."""
        if trade.trade_id > self._last_trade_id:
            self._last_trade_id = trade.trade_id
            self._by_number[number].add_trade(trade, is_today=True)
            self._touched.setdefault(number, []).append(trade)

    def _take_changes(self) -> list[InstrumentChange]:
        touched, self._touched = self._touched, {}
        changes = []
        for number, trades in touched.items():
            instrument = self._by_number[number]
            previous = instrument.sequences
            levels = instrument.book.take_changes()
            ticker = instrument.ticker_changed()
            if levels is not None or trades or ticker:
                last_trade_id = trades[-1].trade_id if trades else previous.trades
                instrument.sequences = Sequences(
                    book=self.sequence if levels is not None else previous.book,
                    trades=last_trade_id,
                    ticker=self.sequence if ticker else previous.ticker,
                )
                changes.append(InstrumentChange(instrument, levels, trades, ticker, previous))
        return changes


def _rows(
    records: np.ndarray, fields: tuple[str, ...], where: np.ndarray | None = None
) -> Iterator[tuple[int, ...]]:
    """The named fields of the records, as tuples of plain integers."""
    columns = (records[field] if where is None else records[field][where] for field in fields)
    return zip(*(column.tolist() for column in columns), strict=True)


def _page(
    oldest_first: Iterable[Any], key: str, limit: int, cursor: str | None
) -> tuple[list[Any], str | None]:
    """One page, newest first, of what comes before the cursor, and the cursor of the next page."""
    items = list(oldest_first)[::-1]
    if cursor is not None:
        if not (cursor.isascii() and cursor.isdigit()):
            raise ValueError(f"{cursor[:40]!r} is no cursor")
        before = int(cursor)
        items = [item for item in items if getattr(item, key) < before]
    page = items[:limit]
    return page, str(getattr(page[-1], key)) if len(items) > limit else None
