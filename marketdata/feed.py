"""The public feed: each step of the market as messages for the streams.

Each channel of each symbol is a chain of its own: a message's `previous_sequence` is the `sequence`
of the message before it, so a client that sees another one has missed something and asks for a
snapshot. A snapshot stands in the chain where the latest message does, so it can take the place of
any messages that a subscriber was too slow for.

| Channel | Snapshot | After each step | `sequence` counts |
|---|---|---|---|
| book | all levels | delta: changed levels with their new values, quantity "0": gone | commands |
| trades | the latest trades, newest first | event for each trade | trades |
| ticker | the ticker | event: the whole new ticker | commands |
| candles | the latest candle of each interval | event: the same | trades |
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

import numpy as np

from marketdata.instrument import Instrument
from marketdata.market import InstrumentChange, Market

CHANNELS = ("book", "trades", "ticker", "candles")
SNAPSHOT_TRADES = 50


class Push(TypedDict):
    """One message to the subscribers of a channel of a symbol.

    The `previous_sequence` of a snapshot is null.
    """

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


def _sequence(channel: str, instrument: Instrument) -> int:
    """Where a chain stands."""
    match channel:
        case "book":
            return instrument.book.sequence
        case "ticker":
            return instrument.ticker_sequence
        case _:
            return instrument.trades[-1].trade_id if instrument.trades else 0
