"""One instrument as the public sees it: its rules of the day, book, tape, candles and figures."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.codes import Phase, Side
from engine.decimals import format_price
from engine.times import format_day, format_time
from marketdata.book import Book
from marketdata.candles import Candles
from marketdata.statistics import DayStatistics

TRADES_KEPT = 1_000  # of each instrument; older ones are the database's


class Trade(NamedTuple):
    """One line of the tape."""

    trade_id: int
    price_ticks: int
    quantity_lots: int
    taker_side: int
    time_ns: int


class Sequences(NamedTuple):
    """Where the public chains of an instrument stand; 0 before the first change."""

    book: int = 0  # the command after which a level last changed
    trades: int = 0  # the last trade's id; candles change with trades only
    ticker: int = 0  # the command after which anything that the ticker shows last changed


class Instrument:
    """Everything public about one instrument."""

    __slots__ = (
        "_ticker_state",
        "book",
        "candles",
        "halt_reason",
        "lower_limit_ticks",
        "number",
        "phase",
        "reference_ticks",
        "sequences",
        "statistics",
        "symbol",
        "tick_fen",
        "trades",
        "trading_day",
        "upper_limit_ticks",
    )

    def __init__(self, number: int, symbol: str, tick_fen: int) -> None:
        self.number = number
        self.symbol = symbol
        self.tick_fen = tick_fen
        self.phase = int(Phase.CLOSED)
        self.halt_reason: str | None = None  # an operator's; it is not among the events
        self.trading_day = 0
        self.reference_ticks = self.lower_limit_ticks = self.upper_limit_ticks = 0
        self.book = Book(tick_fen)
        self.trades: deque[Trade] = deque(maxlen=TRADES_KEPT)
        self.candles = Candles(tick_fen)
        self.statistics = DayStatistics()
        self.sequences = Sequences()
        self._ticker_state: tuple[Any, ...] = ()

    def set_day(self, fields: Mapping[str, Any]) -> None:
        """Take over the rules of a trading day, from any record that names them."""
        self.trading_day = fields["trading_day"]
        self.reference_ticks = fields["reference_price_ticks"]
        self.lower_limit_ticks = fields["lower_limit_ticks"]
        self.upper_limit_ticks = fields["upper_limit_ticks"]

    def add_trade(self, trade: Trade, is_today: bool) -> None:
        """Put a trade on the tape and count it in."""
        _, price_ticks, quantity_lots, _, time_ns = trade
        self.trades.append(trade)
        self.candles.add(time_ns, price_ticks, quantity_lots)
        self.statistics.set_last(price_ticks, quantity_lots, time_ns)
        if is_today:
            turnover_fen = price_ticks * self.tick_fen * quantity_lots
            self.statistics.add(price_ticks, quantity_lots, turnover_fen)

    def ticker_changed(self) -> bool:
        """Whether the ticker shows something else than at the last call."""
        state = (
            self.phase,
            self.halt_reason,
            self.trading_day,
            self.reference_ticks,
            self.book.bids.best(),
            self.book.asks.best(),
            self.trades[-1].trade_id if self.trades else 0,
        )
        if state == self._ticker_state:
            return False
        self._ticker_state = state
        return True

    def trade_view(self, trade: Trade) -> dict[str, Any]:
        """A trade as clients see it; `taker_side` is the side of the order that came in."""
        return {
            "trade_id": str(trade.trade_id),
            "symbol": self.symbol,
            "price": format_price(trade.price_ticks, self.tick_fen),
            "quantity": str(trade.quantity_lots),
            "taker_side": "sell" if trade.taker_side == Side.SELL else "buy",
            "time": format_time(trade.time_ns),
        }

    def ticker_view(self) -> dict[str, Any]:
        """The ticker as clients see it; null for what there is not."""
        bid, ask = self.book.bids.best(), self.book.asks.best()
        return {
            "symbol": self.symbol,
            "sequence": self.sequences.ticker,
            "phase": Phase(self.phase).name.lower(),
            "halt_reason": self.halt_reason,
            "trading_day": format_day(self.trading_day),
            "reference_price": format_price(self.reference_ticks, self.tick_fen),
            "lower_limit": format_price(self.lower_limit_ticks, self.tick_fen),
            "upper_limit": format_price(self.upper_limit_ticks, self.tick_fen),
            "bid": format_price(bid[0], self.tick_fen) if bid else None,
            "bid_quantity": str(bid[1]) if bid else None,
            "ask": format_price(ask[0], self.tick_fen) if ask else None,
            "ask_quantity": str(ask[1]) if ask else None,
            **self.statistics.view(self.reference_ticks, self.tick_fen),
        }
