"""Candles: where intervals begin, what a trade does to them, what is kept."""

from __future__ import annotations

from datetime import UTC, datetime

from marketdata.candles import CANDLES_KEPT, Candles

MINUTE_NS = 60 * 1_000_000_000


def nanoseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp()) * 1_000_000_000


def test_trades_of_one_interval_make_one_candle():
    """First, highest, lowest, last price, volumes and the number of trades."""
    candles = Candles(tick_fen=1)
    start_ns = nanoseconds("2026-11-20T01:30:00Z")
    for offset_ns, price_ticks, quantity_lots in [(0, 5000, 3), (5, 5100, 1), (9, 4900, 2)]:
        candles.add(start_ns + offset_ns, price_ticks, quantity_lots)
    assert candles.latest()["1m"] == {
        "time": "2026-11-20T01:30:00.000000Z",
        "open": "50.00",
        "high": "51.00",
        "low": "49.00",
        "close": "49.00",
        "volume": "6",
        "turnover": "299.00",
        "trades": 3,
    }


def test_intervals_begin_at_multiples_from_midnight_in_beijing():
    """A trade at 01:37:42 UTC belongs to intervals that began then and then."""
    candles = Candles(tick_fen=1)
    candles.add(nanoseconds("2026-11-20T01:37:42Z"), 5000, 1)
    starts = {name: candle["time"] for name, candle in candles.latest().items()}
    assert starts == {
        "1m": "2026-11-20T01:37:00.000000Z",
        "5m": "2026-11-20T01:35:00.000000Z",
        "1h": "2026-11-20T01:00:00.000000Z",
        "1d": "2026-11-19T16:00:00.000000Z",
    }


def test_an_interval_without_a_trade_has_no_candle():
    """Two trades three minutes apart make two one-minute candles and one of five minutes."""
    candles = Candles(tick_fen=1)
    start_ns = nanoseconds("2026-11-20T01:30:00Z")
    candles.add(start_ns, 5000, 1)
    candles.add(start_ns + 3 * MINUTE_NS, 5001, 1)
    assert [len(candles.series(name)) for name in ("1m", "5m")] == [2, 1]


def test_before_the_first_trade_there_is_none():
    """Every interval is null then."""
    assert set(Candles(tick_fen=1).latest().values()) == {None}


def test_only_so_many_are_kept():
    """The oldest candle leaves when one too many has come."""
    candles = Candles(tick_fen=1)
    for minute in range(CANDLES_KEPT + 1):
        candles.add(minute * MINUTE_NS, 5000 + minute, 1)
    series = candles.series("1m")
    assert len(series) == CANDLES_KEPT
    assert series[0].open_ticks == 5001
