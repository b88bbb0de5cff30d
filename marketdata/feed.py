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

from collections.abc import Callable
from typing import Any, Literal, TypedDict

import numpy as np

from marketdata.market import InstrumentChange, Market

CHANNELS = ("book", "trades", "ticker", "candles")
SNAPSHOT_TRADES = 50


# Whether anybody listens to a channel of a symbol.
IsWanted = Callable[[str, str], bool]


def _always(channel: str, symbol: str) -> bool:
    return True


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
    """Says what the subscribers of a market are to be told."""

    def __init__(self, market: Market) -> None:
        self.market = market

    def apply(self, events: np.ndarray, is_wanted: IsWanted = _always) -> list[Push]:
        """Let the market follow the events of whole commands; returns the messages, in order.

        Those that nobody listens to need not be made: their chains go on all the same.
        """
        pushes: list[Push] = []
        for change in self.market.apply(events):
            _publish(change, pushes, is_wanted)
        return pushes

    def snapshot(self, channel: str, symbol: str) -> Push:
        """The present state, to which the channel's next message applies.

        Raises KeyError for an unknown channel or symbol.
        """
        instrument = self.market.instrument(symbol)
        sequences = instrument.sequences
        data: dict[str, Any]
        match channel:
            case "book":
                sequence, data = sequences.book, self.market.book(symbol, depth=None)
            case "trades":
                page = self.market.trades(symbol, SNAPSHOT_TRADES)
                sequence, data = sequences.trades, {"items": page["items"]}
            case "ticker":
                sequence, data = sequences.ticker, instrument.ticker_view()
            case "candles":
                sequence, data = sequences.trades, instrument.candles.latest()
            case _:
                raise KeyError(channel)
        return {
            "channel": channel,
            "symbol": symbol,
            "type": "snapshot",
            "sequence": sequence,
            "previous_sequence": None,
            "data": data,
        }


def _publish(change: InstrumentChange, pushes: list[Push], is_wanted: IsWanted) -> None:
    """Turn one instrument's changes into messages."""
    instrument, previous = change.instrument, change.previous
    now = instrument.sequences

    def push(channel: str, sequence: int, previous_sequence: int, data: dict[str, Any]) -> None:
        pushes.append(
            {
                "channel": channel,
                "symbol": instrument.symbol,
                "type": "delta" if channel == "book" else "event",
                "sequence": sequence,
                "previous_sequence": previous_sequence,
                "data": data,
            }
        )

    symbol = instrument.symbol
    if change.levels is not None and is_wanted("book", symbol):
        book = instrument.book
        bids, asks = change.levels
        levels = {"bids": book.bids.view(bids), "asks": book.asks.view(asks)}
        push("book", now.book, previous.book, {**levels, "checksum": book.checksum})
    if change.trades and is_wanted("trades", symbol):
        previous_trade_id = previous.trades
        for trade in change.trades:
            push("trades", trade.trade_id, previous_trade_id, instrument.trade_view(trade))
            previous_trade_id = trade.trade_id
    if change.ticker and is_wanted("ticker", symbol):
        push("ticker", now.ticker, previous.ticker, instrument.ticker_view())
    if change.trades and is_wanted("candles", symbol):
        push("candles", now.trades, previous.trades, instrument.candles.latest())
