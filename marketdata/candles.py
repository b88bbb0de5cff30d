"""Candles of one instrument: open, high, low, close and volumes for each interval of the clock.

Intervals begin at whole multiples counted from midnight in Beijing, so that a day's candle is a day
of the exchange. An interval without a trade has no candle.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from engine.decimals import format_fen, format_price
from engine.times import format_time

_SECOND_NS = 1_000_000_000
_BEIJING_OFFSET_NS = 8 * 3_600 * _SECOND_NS

INTERVALS_NS = {
    "1m": 60 * _SECOND_NS,
    "5m": 300 * _SECOND_NS,
    "1h": 3_600 * _SECOND_NS,
    "1d": 86_400 * _SECOND_NS,
}
CANDLES_KEPT = 1_500  # of each interval: a day of minutes, four years of days


class Candle:
    """One interval's trades, in ticks, lots and fen."""

    __slots__ = (
        "close_ticks",
        "high_ticks",
        "low_ticks",
        "open_ticks",
        "start_ns",
        "trades",
        "turnover_fen",
        "volume_lots",
    )

    def __init__(self, start_ns: int, price_ticks: int) -> None:
        self.start_ns = start_ns
        self.open_ticks = self.high_ticks = self.low_ticks = self.close_ticks = price_ticks
        self.volume_lots = 0
        self.turnover_fen = 0
        self.trades = 0

    @property
    def start_seconds(self) -> int:
        """The interval's beginning in whole seconds since the epoch."""
        return self.start_ns // _SECOND_NS

    def add(self, price_ticks: int, quantity_lots: int, turnover_fen: int) -> None:
        """Count one trade in."""
        self.high_ticks = max(self.high_ticks, price_ticks)
        self.low_ticks = min(self.low_ticks, price_ticks)
        self.close_ticks = price_ticks
        self.volume_lots += quantity_lots
        self.turnover_fen += turnover_fen
        self.trades += 1

    def view(self, tick_fen: int) -> dict[str, Any]:
        """The candle as clients see it; `time` is the interval's beginning."""
        return {
            "time": format_time(self.start_ns),
            "open": format_price(self.open_ticks, tick_fen),
            "high": format_price(self.high_ticks, tick_fen),
            "low": format_price(self.low_ticks, tick_fen),
            "close": format_price(self.close_ticks, tick_fen),
            "volume": str(self.volume_lots),
            "turnover": format_fen(self.turnover_fen),
            "trades": self.trades,
        }


class Candles:
    """All intervals of one instrument, each with its latest CANDLES_KEPT candles."""

    __slots__ = ("_series", "tick_fen")

    def __init__(self, tick_fen: int) -> None:
        self.tick_fen = tick_fen
        self._series: dict[str, deque[Candle]] = {
            interval: deque(maxlen=CANDLES_KEPT) for interval in INTERVALS_NS
        }

    def add(self, time_ns: int, price_ticks: int, quantity_lots: int) -> None:
        """Count one trade into every interval. Trades come in the order of time."""
        turnover_fen = price_ticks * self.tick_fen * quantity_lots
        for interval, length_ns in INTERVALS_NS.items():
            series = self._series[interval]
            start_ns = time_ns - (time_ns + _BEIJING_OFFSET_NS) % length_ns
            if not series or series[-1].start_ns != start_ns:
                series.append(Candle(start_ns, price_ticks))
            series[-1].add(price_ticks, quantity_lots, turnover_fen)

    def series(self, interval: str) -> deque[Candle]:
        """The candles of an interval, oldest first. Raises KeyError for an unknown interval."""
        return self._series[interval]

    def latest(self) -> dict[str, dict[str, Any] | None]:
        """For each interval its latest candle, or None before the first trade."""
        return {
            interval: series[-1].view(self.tick_fen) if series else None
            for interval, series in self._series.items()
        }
