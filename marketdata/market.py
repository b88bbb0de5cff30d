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

from engine.codes import EventKind, InstrumentFlag, TradeType
from engine.packed_texts import unpack_text
from engine.records import ADMIN_EVENT, AUCTION_EVENT, INSTRUMENT_EVENT, ORDER_EVENT, TRADE_EVENT
from marketdata.book import LevelChange
from marketdata.instrument import Instrument, Sequences, Trade
from marketdata.open_orders import ORDER_FIELDS, ORDER_KINDS, OpenOrders, picked, rows

# Plain integers: a comparison with a member of an IntEnum costs as much as the work for an event.
_TRADE = int(EventKind.TRADE)
_DEFINED = int(EventKind.INSTRUMENT_DEFINED)
_PHASES = (int(EventKind.PHASE_CHANGED), int(EventKind.VOLATILITY_INTERRUPTED))
_DAY_ROLLED = int(EventKind.DAY_ROLLED)

_ORDER_ROW = picked(ORDER_EVENT, ORDER_FIELDS)
_IS_ORDER = np.zeros(256, np.bool_)
_IS_ORDER[list(ORDER_KINDS)] = True
_OFF_BOOK_TRADES = (int(TradeType.BLOCK), int(TradeType.ONE_WAY))

_TRADE_FIELDS = (
    "instrument",
    "maker_order_id",
    "taker_order_id",
    "trade_id",
    "price_ticks",
    "quantity_lots",
    "taker_side",
    "time_ns",
    "trade_type",
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
    trade_type: int = 0


class InstrumentChange(NamedTuple):
    """What one step changed of one instrument, and where its sequences stood before."""

    instrument: Instrument
    levels: tuple[list[LevelChange], list[LevelChange]] | None  # bids, asks
    trades: list[Trade]
    ticker: bool
    previous: Sequences


class Market:
    """All instruments by number and by symbol, and the place of every open order."""

    def __init__(self) -> None:
        self.sequence = 0  # of the last command whose events were applied
        self._loaded_sequence = 0
        self._last_trade_id = 0
        self._by_number: dict[int, Instrument] = {}
        self._by_symbol: dict[str, Instrument] = {}
        self._orders = OpenOrders(self._by_number)
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
            instrument.set_phase(row)
            instrument.statistics.set_last(row["last_price_ticks"], 0, 0)
        self._orders.load(orders)
        for past in past_trades:
            instrument = self._by_symbol[past.symbol]
            trade = Trade(past.trade_id, *past[2:6], past.trade_type)
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

    def listings(self, symbol: str, limit: int = 100) -> list[dict[str, Any]]:
        """The first orders of both sides, one by one, where they may be taken by their ids.

        Raises KeyError for an unknown symbol, LookupError where orders are not listed.
        """
        instrument = self._by_symbol[symbol]
        if instrument.listing is None:
            raise LookupError(f"orders of {symbol} are not listed")
        return instrument.listing.view(limit, instrument.tick_fen)

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
        first_new = 0
        if events["sequence"][0] <= self._loaded_sequence:
            sequences = events["sequence"]
            first_new = int(np.searchsorted(sequences, self._loaded_sequence, side="right"))
            self._catch_up(events[:first_new])
        if first_new < len(events):
            self._follow(events[first_new:])
            self.sequence = int(events["sequence"][-1])
        return self._take_changes()

    def _follow(self, events: np.ndarray) -> None:
        """Apply events that the loaded state does not contain yet."""
        kinds = events["kind"]
        found = kinds.tolist()
        # Most batches are small: their rows are taken at once, and not column by column.
        orders = iter(np.frombuffer(events, _ORDER_ROW)[_IS_ORDER[kinds]].tolist())
        trades: Iterator[tuple[int, ...]] = iter(())
        if _TRADE in found:
            trades = rows(events.view(TRADE_EVENT), _TRADE_FIELDS, kinds == _TRADE)
        for index, kind in enumerate(found):
            if kind == _TRADE:
                number, maker_order_id, taker_order_id, *trade = next(trades)
                if trade[-1] not in _OFF_BOOK_TRADES:
                    self._orders.reduce(maker_order_id, trade[2], is_maker=True)
                    self._orders.reduce(taker_order_id, trade[2], is_maker=False)
                self._record(number, Trade(*trade))
            elif kind in ORDER_KINDS:
                row = next(orders)
                self._orders.follow(kind, row)
                self._touched.setdefault(row[1], [])
            elif kind in (_DEFINED, *_PHASES, _DAY_ROLLED):
                self._administer(kind, events[index : index + 1])

    def _catch_up(self, events: np.ndarray) -> None:
        """Take only tape and figures from events that the loaded state contains already."""
        kinds = events["kind"]
        trades = rows(events.view(TRADE_EVENT), _TRADE_FIELDS, kinds == _TRADE)
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
        layout = ADMIN_EVENT if kind == _DAY_ROLLED else AUCTION_EVENT
        fields = dict(zip(layout.names or (), event.view(layout)[0].tolist(), strict=True))
        if kind in _PHASES:
            instrument.set_phase(fields)
        else:
            instrument.set_day(fields)
            instrument.statistics.roll()

    def _define(self, number: int, fields: dict[str, Any]) -> Instrument:
        """A new instrument from an INSTRUMENT_STATE or INSTRUMENT_EVENT row."""
        symbol = unpack_text(fields["symbol_high"], fields["symbol_low"])
        is_listed = bool(fields["flags"] & InstrumentFlag.LISTED_SELECTION)
        instrument = Instrument(number, symbol, fields["tick_fen"], is_listed=is_listed)
        instrument.set_day(fields)
        self._by_number[number] = self._by_symbol[symbol] = instrument
        self._touched[number] = []
        return instrument

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
