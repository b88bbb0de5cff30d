"""The trading day of one instrument in figures, and the ticker made of them."""

from __future__ import annotations

from typing import Any

from engine.decimals import format_fen, format_price
from engine.times import format_time


class DayStatistics:
    """First, highest, lowest price and volumes of the present trading day, and the last trade.

    Negotiated trades (blocks, one-way auctions) make no prices; their volume is kept apart.

    The last trade outlives the day; everything else begins anew with the next one.
    """

    __slots__ = (
        "high_ticks",
        "last_lots",
        "last_ticks",
        "last_time_ns",
        "low_ticks",
        "negotiated_fen",
        "negotiated_lots",
        "open_ticks",
        "trades",
        "turnover_fen",
        "volume_lots",
    )

    def __init__(self) -> None:
        self.last_ticks = 0  # 0: nothing was ever traded
        self.last_lots = 0
        self.last_time_ns = 0
        self.roll()

    def roll(self) -> None:
        """Begin a new trading day."""
        self.open_ticks = self.high_ticks = self.low_ticks = 0
        self.volume_lots = self.turnover_fen = self.trades = 0
        self.negotiated_lots = self.negotiated_fen = 0

    def set_last(self, price_ticks: int, quantity_lots: int, time_ns: int) -> None:
        """Remember the latest trade, of whichever day."""
        self.last_ticks = price_ticks
        self.last_lots = quantity_lots
        self.last_time_ns = time_ns

    def add(self, price_ticks: int, quantity_lots: int, turnover_fen: int) -> None:
        """Count one trade into the day."""
        if not self.trades:
            self.open_ticks = self.high_ticks = self.low_ticks = price_ticks
        self.high_ticks = max(self.high_ticks, price_ticks)
        self.low_ticks = min(self.low_ticks, price_ticks)
        self.volume_lots += quantity_lots
        self.turnover_fen += turnover_fen
        self.trades += 1

    def add_negotiated(self, quantity_lots: int, turnover_fen: int) -> None:
        """Count one negotiated trade into the day."""
        self.negotiated_lots += quantity_lots
        self.negotiated_fen += turnover_fen

    def view(self, reference_ticks: int, tick_fen: int) -> dict[str, Any]:
        """The day as clients see it; null where the day, or all time, has no trade.

        `change` is the last price less the reference price, which is the previous day's close;
        `vwap` is what the day's closing price would be if the day ended now.
        """
        traded = self.trades > 0
        known = self.last_ticks > 0
        change_ticks = self.last_ticks - reference_ticks

        def price(ticks: int) -> str | None:
            return format_price(ticks, tick_fen) if traded else None

        return {
            "last": format_price(self.last_ticks, tick_fen) if known else None,
            "last_quantity": str(self.last_lots) if self.last_lots else None,
            "last_time": format_time(self.last_time_ns) if self.last_time_ns else None,
            "open": price(self.open_ticks),
            "high": price(self.high_ticks),
            "low": price(self.low_ticks),
            "vwap": price(self._vwap_ticks(tick_fen)) if traded else None,
            "volume": str(self.volume_lots),
            "turnover": format_fen(self.turnover_fen),
            "trades": self.trades,
            "negotiated_volume": str(self.negotiated_lots),
            "negotiated_turnover": format_fen(self.negotiated_fen),
            "change": format_fen(change_ticks * tick_fen) if traded else None,
            "change_percent": _percent(change_ticks, reference_ticks) if traded else None,
        }

    def _vwap_ticks(self, tick_fen: int) -> int:
        """Volume-weighted average price, rounded half up to a tick as the closing price is."""
        volume_fen = self.volume_lots * tick_fen
        return (2 * self.turnover_fen + volume_fen) // (2 * volume_fen)


def _percent(part: int, whole: int) -> str:
    """Part of whole in percent with two decimals, rounded half away from zero."""
    hundredths = (2 * abs(part) * 10_000 + whole) // (2 * whole)
    return format_fen(-hundredths if part < 0 else hundredths)
