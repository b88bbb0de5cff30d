"""One instrument as the public sees it: its rules of the day, book, tape, candles and figures."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.auction_price import NO_AUCTION_PRICE, AuctionPrice, auction_price
from engine.codes import Phase, Side, TradeType
from engine.decimals import format_price
from engine.times import format_day, format_time
from marketdata.book import Book
from marketdata.candles import Candles
from marketdata.listing import Listing
from marketdata.statistics import DayStatistics

_CALL_AUCTION = int(Phase.CALL_AUCTION)
TRADES_KEPT = 1_000  # of each instrument; older ones are the database's


class Trade(NamedTuple):
    """One line of the tape."""

    trade_id: int
    price_ticks: int
    quantity_lots: int
    taker_side: int
    time_ns: int
    trade_type: int = 0

    @property
    def makes_prices(self) -> bool:
        """Whether candles and the day's prices take it in: trades off the book are told apart."""
        return self.trade_type not in (TradeType.BLOCK, TradeType.ONE_WAY)


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
        "ends_at_ns",
        "halt_reason",
        "listing",
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

    def __init__(self, number: int, symbol: str, tick_fen: int, *, is_listed: bool = False) -> None:
        self.number = number
        self.symbol = symbol
        self.tick_fen = tick_fen
        self.phase = int(Phase.CLOSED)
        self.ends_at_ns = 0  # planned end of the phase; 0: unknown
        self.halt_reason: str | None = None  # an operator's; it is not among the events
        self.trading_day = 0
        self.reference_ticks = self.lower_limit_ticks = self.upper_limit_ticks = 0
        self.book = Book(tick_fen)
        self.listing = Listing() if is_listed else None
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

    def set_phase(self, fields: Mapping[str, Any]) -> None:
        """Take over a phase and its planned end, from any record that names them."""
        self.phase = fields["phase"]
        self.ends_at_ns = fields["ends_at_ns"]

    def indicative(self) -> AuctionPrice:
        """At what price, and how much, a call auction would trade if it ended now."""
        if self.phase != _CALL_AUCTION:
            return NO_AUCTION_PRICE
        bid, ask = self.book.bids.best(), self.book.asks.best()
        if bid is None or ask is None:
            return NO_AUCTION_PRICE
        return auction_price(
            self.book.bids.reached_from(ask[0]),
            self.book.asks.reached_from(bid[0]),
            self.statistics.last_ticks or self.reference_ticks,
        )

    def add_trade(self, trade: Trade, is_today: bool) -> None:
        """Put a trade on the tape and count it in."""
        _, price_ticks, quantity_lots, _, time_ns, _ = trade
        self.trades.append(trade)
        if not trade.makes_prices:
            if is_today:
                turnover_fen = price_ticks * self.tick_fen * quantity_lots
                self.statistics.add_negotiated(quantity_lots, turnover_fen)
            return
        self.candles.add(time_ns, price_ticks, quantity_lots)
        self.statistics.set_last(price_ticks, quantity_lots, time_ns)
        if is_today:
            turnover_fen = price_ticks * self.tick_fen * quantity_lots
            self.statistics.add(price_ticks, quantity_lots, turnover_fen)

    def ticker_changed(self) -> bool:
        """Whether the ticker shows something else than at the last call."""
        state = (
            self.phase,
            self.ends_at_ns,
            self.indicative(),
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
            "type": TradeType(trade.trade_type).name.lower(),
            "time": format_time(trade.time_ns),
        }

    def ticker_view(self) -> dict[str, Any]:
        """The ticker as clients see it; null for what there is not."""
        bid, ask = self.book.bids.best(), self.book.asks.best()
        return {
            "symbol": self.symbol,
            "sequence": self.sequences.ticker,
            "phase": Phase(self.phase).name.lower(),
            "ends_at": format_time(self.ends_at_ns) if self.ends_at_ns else None,
            "halt_reason": self.halt_reason,
            "trading_day": format_day(self.trading_day),
            "reference_price": format_price(self.reference_ticks, self.tick_fen),
            "lower_limit": format_price(self.lower_limit_ticks, self.tick_fen),
            "upper_limit": format_price(self.upper_limit_ticks, self.tick_fen),
            "bid": format_price(bid[0], self.tick_fen) if bid else None,
            "bid_quantity": str(bid[1]) if bid else None,
            "ask": format_price(ask[0], self.tick_fen) if ask else None,
            "ask_quantity": str(ask[1]) if ask else None,
            **self._auction_view(),
            **self.statistics.view(self.reference_ticks, self.tick_fen),
        }

    def _auction_view(self) -> dict[str, Any]:
        """What a call auction would come to if it ended now; null outside of one."""
        now = self.indicative()
        is_priced = now.price_ticks > 0
        return {
            "indicative_price": format_price(now.price_ticks, self.tick_fen) if is_priced else None,
            "indicative_quantity": str(now.quantity_lots) if is_priced else None,
            "indicative_surplus": str(now.surplus_lots) if is_priced else None,
        }
