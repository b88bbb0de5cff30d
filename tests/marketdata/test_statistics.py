"""The day's figures and how they are rounded."""

from __future__ import annotations

import pytest

from marketdata.statistics import DayStatistics


def day(*trades: tuple[int, int], tick_fen: int = 1) -> DayStatistics:
    statistics = DayStatistics()
    for price_ticks, quantity_lots in trades:
        statistics.set_last(price_ticks, quantity_lots, 1)
        statistics.add(price_ticks, quantity_lots, price_ticks * quantity_lots * tick_fen)
    return statistics


def test_a_day_in_figures():
    """Open, high, low, last, volume and turnover of three trades."""
    view = day((5000, 1), (5200, 2), (4900, 3)).view(reference_ticks=5000, tick_fen=1)
    assert {name: view[name] for name in ("open", "high", "low", "last", "last_quantity")} == {
        "open": "50.00",
        "high": "52.00",
        "low": "49.00",
        "last": "49.00",
        "last_quantity": "3",
    }
    assert (view["volume"], view["turnover"], view["trades"]) == ("6", "301.00", 3)


@pytest.mark.parametrize(
    ("trades", "tick_fen", "vwap"),
    [
        ([(5000, 1), (5001, 1)], 1, "50.01"),  # 50.005 is half of a tick: up
        ([(5000, 2), (5001, 1)], 1, "50.00"),
        ([(5000, 1), (5001, 2)], 1, "50.01"),
        ([(500, 1), (501, 1)], 10, "50.10"),  # ticks of 0.10: 50.05 goes up to a whole tick
        ([(500, 2), (501, 1)], 10, "50.00"),
    ],
)
def test_the_average_is_rounded_half_up_to_a_tick(trades, tick_fen, vwap):
    """As the closing price is."""
    assert day(*trades, tick_fen=tick_fen).view(1, tick_fen)["vwap"] == vwap


@pytest.mark.parametrize(
    ("last", "reference", "change", "percent"),
    [
        (5050, 5000, "0.50", "1.00"),
        (4950, 5000, "-0.50", "-1.00"),
        (5000, 5000, "0.00", "0.00"),
        (5001, 8000, "-29.99", "-37.49"),  # 37.4875
        (4999, 3000, "19.99", "66.63"),  # 66.6333
        (8001, 8000, "0.01", "0.01"),  # 0.0125
        (7999, 8000, "-0.01", "-0.01"),
        (20003, 20000, "0.03", "0.02"),  # 0.015: away from zero
        (19997, 20000, "-0.03", "-0.02"),
    ],
)
def test_the_change_is_against_the_reference_price(last, reference, change, percent):
    """In CNY and in percent with two decimals, with a sign where it fell."""
    view = day((last, 1)).view(reference, tick_fen=1)
    assert (view["change"], view["change_percent"]) == (change, percent)


def test_a_new_day_keeps_only_the_last_trade():
    """Everything about the day is null or zero again, the last price stays."""
    statistics = day((5000, 1))
    statistics.roll()
    view = statistics.view(reference_ticks=5000, tick_fen=1)
    assert view["last"] == "50.00"
    assert (view["volume"], view["turnover"], view["trades"]) == ("0", "0.00", 0)
    for name in ("open", "high", "low", "vwap", "change", "change_percent"):
        assert view[name] is None
