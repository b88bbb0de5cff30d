"""The public feed: each step of the market as messages for the streams.

Each channel of each symbol is a chain of its own: a message's `previous_sequence` is the `sequence`
of the message before it, so a client that sees another one has missed something and asks for a
snapshot. A snapshot stands in the chain where the latest message does.

| Channel | Snapshot | After each step | `sequence` counts |
|---|---|---|---|
| book | all levels | delta: changed levels with their new values, quantity "0": gone | commands |
| trades | the latest trades, newest first | event for each trade | trades |
| ticker | the ticker | event: the whole new ticker | commands |
| candles | the latest candle of each interval | event: the same | trades |
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypedDict

import numpy as np

from marketdata.book import LevelView
from marketdata.instrument import Instrument
from marketdata.market import InstrumentChange, Market

CHANNELS = ("book", "trades", "ticker", "candles")
SNAPSHOT_TRADES = 50


class Push(TypedDict):
    """One message to the subscribers of a channel of a symbol; `previous_sequence` of a snapshot
    is null."""

    channel: str
    symbol: str
    type: Literal["snapshot", "delta", "event"]
    sequence: int
    previous_sequence: int | None
    data: dict[str, Any]


class Feed:
    """Follows a market, once it is loaded, and says what its subscribers are to be told."""

    def __init__(self, market: Market) -> None:
        self.market = market
        # (channel, symbol) -> sequence of the latest message; of a new instrument: 0
        self._sequences: dict[tuple[str, str], int] = {
            (channel, instrument.symbol): _sequence(channel, instrument)
            for instrument in market.instruments
            for channel in CHANNELS
        }

    def apply(self, events: np.ndarray) -> list[Push]:
        """Let the market follow the events of whole commands; returns the messages, in order."""
        pushes: list[Push] = []
        for change in self.market.apply(events):
            self._publish(change, pushes)
        return pushes

    def snapshot(self, channel: str, symbol: str) -> Push:
        """The present state, to which the channel's next message applies.

        Raises KeyError for an unknown channel or symbol.
        """
        instrument = self.market.instrument(symbol)
        data: dict[str, Any]
        match channel:
            case "book":
                data = self.market.book(symbol, depth=None)
            case "trades":
                data = {"items": self.market.trades(symbol, SNAPSHOT_TRADES)["items"]}
            case "ticker":
                data = instrument.ticker_view()
            case "candles":
                data = instrument.candles.latest()
            case _:
                raise KeyError(channel)
        return {
            "channel": channel,
            "symbol": symbol,
            "type": "snapshot",
            "sequence": _sequence(channel, instrument),
            "previous_sequence": None,
            "data": data,
        }

    def _publish(self, change: InstrumentChange, pushes: list[Push]) -> None:
        """Turn one instrument's changes into messages."""
        instrument = change.instrument
        if change.levels is not None:
            bids, asks = change.levels
            levels = {"bids": bids, "asks": asks, "checksum": instrument.book.checksum}
            pushes.append(self._next("book", instrument, instrument.book.sequence, levels))
        for trade in change.trades:
            view = instrument.trade_view(trade)
            pushes.append(self._next("trades", instrument, trade.trade_id, view))
        if change.ticker:
            ticker = instrument.ticker_view()
            pushes.append(self._next("ticker", instrument, instrument.ticker_sequence, ticker))
        if change.trades:
            candles = instrument.candles.latest()
            last_trade_id = change.trades[-1].trade_id
            pushes.append(self._next("candles", instrument, last_trade_id, candles))

    def _next(
        self, channel: str, instrument: Instrument, sequence: int, data: dict[str, Any]
    ) -> Push:
        """The next message of a chain."""
        key = (channel, instrument.symbol)
        previous_sequence = self._sequences.get(key, 0)
        self._sequences[key] = sequence
        return {
            "channel": channel,
            "symbol": instrument.symbol,
            "type": "delta" if channel == "book" else "event",
            "sequence": sequence,
            "previous_sequence": previous_sequence,
            "data": data,
        }


class Conflation:
    """What a slow subscriber is still owed, in bounded space: at most one message for each chain.

    Deltas of a book are merged, tickers and candles replaced by newer ones. Where neither is
    possible (trades, or something that a snapshot is better for) a snapshot is taken when the
    subscriber is ready for it.
    """

    MERGED_LEVELS = 1_000  # beyond that, a snapshot

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        # (channel, symbol) -> the message owed; None: a snapshot
        self._owed: dict[tuple[str, str], Push | None] = {}

    def __len__(self) -> int:
        return len(self._owed)

    def add(self, push: Push) -> None:
        """Owe the subscriber one more message."""
        key = (push["channel"], push["symbol"])
        if key not in self._owed:
            self._owed[key] = push
            return
        owed = self._owed[key]
        self._owed[key] = None if owed is None else _merged(owed, push, self.MERGED_LEVELS)

    def drain(self) -> list[Push]:
        """All that is owed, up to now; nothing is owed afterwards."""
        owed, self._owed = self._owed, {}
        return [
            push if push is not None else self._feed.snapshot(channel, symbol)
            for (channel, symbol), push in owed.items()
        ]


def _sequence(channel: str, instrument: Instrument) -> int:
    """Where a chain stands."""
    match channel:
        case "book":
            return instrument.book.sequence
        case "ticker":
            return instrument.ticker_sequence
        case _:
            return instrument.trades[-1].trade_id if instrument.trades else 0


def _merged(older: Push, newer: Push, most_levels: int) -> Push | None:
    """One message that does what two neighbours of a chain do, or None if a snapshot must."""
    if newer["type"] == "snapshot":
        return newer
    if newer["channel"] in ("ticker", "candles"):
        data = newer["data"]
    elif older["type"] == newer["type"] == "delta":
        bids = _merged_levels(older["data"]["bids"], newer["data"]["bids"])
        asks = _merged_levels(older["data"]["asks"], newer["data"]["asks"])
        if len(bids) + len(asks) > most_levels:
            return None
        data = {"bids": bids, "asks": asks, "checksum": newer["data"]["checksum"]}
    else:
        return None
    return {**newer, "previous_sequence": older["previous_sequence"], "data": data}


def _merged_levels(older: Iterable[LevelView], newer: Iterable[LevelView]) -> list[LevelView]:
    """Newer values of a price take the place of older ones."""
    return list({level[0]: level for levels in (older, newer) for level in levels}.values())
