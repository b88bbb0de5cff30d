"""Orders are written as the public contract shows them."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

import pytest

from api.order_views import OrderView, render, render_own_fill
from engine.codes import (
    OrderFlag,
    OrderType,
    Purpose,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradeType,
)
from engine.packed_texts import pack_client_id
from settlement.history import Fill


class Terms(NamedTuple):
    symbol: str = "GD-PHCER"
    tick_fen: int = 1


def make_view(**changes: Any) -> OrderView:
    high, low, _ = pack_client_id("first")
    values: dict[str, Any] = {
        "order_id": (7 << 24) + 1,
        "account": 1,
        "instrument": 1,
        "client_id_high": high,
        "client_id_low": low,
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.DAY,
        "flags": 0,
        "self_trade_prevention": SelfTradePrevention.CANCEL_NEWEST,
        "purpose": Purpose.VOLUNTARY,
        "scheme": 0,
        "price_ticks": 5_030,
        "quantity_lots": 100,
        "remaining_lots": 100,
        "created_time_ns": 1_795_000_000_123_456_789,
        "updated_time_ns": 1_795_000_001_000_000_000,
        "sequence": 42,
    }
    return OrderView(**(values | changes))


def make_fill(price_ticks: int, quantity_lots: int, trade_id: int = 1) -> Fill:
    return Fill(
        sequence=42 + trade_id,
        time_ns=1_795_000_001_000_001_999,
        trade_id=trade_id,
        order_id=(7 << 24) + 1,
        account=1,
        instrument=1,
        side=Side.BUY,
        price_ticks=price_ticks,
        quantity_lots=quantity_lots,
        fee_fen=251,
        is_maker=False,
        trade_type=TradeType.LISTED,
    )


def test_a_resting_order() -> None:
    """Every member of an order, with decimals as text and times in microseconds."""
    assert render(make_view(), Terms()) == {
        "order_id": "117440513",
        "client_order_id": "first",
        "symbol": "GD-PHCER",
        "side": "buy",
        "type": "limit",
        "price": "50.30",
        "quantity": "100",
        "filled_quantity": "0",
        "remaining_quantity": "100",
        "average_price": None,
        "status": "open",
        "cancel_reason": None,
        "time_in_force": "day",
        "expires_at": None,
        "post_only": False,
        "display_quantity": None,
        "stop_price": None,
        "min_quantity": None,
        "self_trade_prevention": "cancel_newest",
        "purpose": "voluntary",
        "scheme": None,
        "event_id": None,
        "is_quote": False,
        "cancel_on_disconnect": False,
        "fills": [],
        "created_at": "2026-11-18T11:06:40.123456Z",
        "updated_at": "2026-11-18T11:06:41.000000Z",
        "sequence": 42,
    }


def test_a_fill_within_its_order_and_alone() -> None:
    """A fill says price, quantity, fee, side of the book and time; alone also whose it is."""
    view = make_view()
    view.add_fill(make_fill(5_020, 40), remaining_lots=60)
    shown = render(view, Terms())
    fill = {
        "trade_id": "1",
        "price": "50.20",
        "quantity": "40",
        "fee": "2.51",
        "liquidity": "taker",
        "trade_type": "listed",
        "time": "2026-11-18T11:06:41.000001Z",
    }
    assert shown["fills"] == [fill]
    assert (shown["status"], shown["filled_quantity"], shown["remaining_quantity"]) == (
        "partially_filled",
        "40",
        "60",
    )
    assert (shown["sequence"], shown["average_price"]) == (43, "50.20")
    assert render_own_fill(view.fills[0], Terms()) == fill | {
        "order_id": "117440513",
        "symbol": "GD-PHCER",
        "side": "buy",
        "sequence": 43,
    }


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({}, "open", None),
        ({"filled_lots": 1, "remaining_lots": 99}, "partially_filled", None),
        ({"filled_lots": 100, "remaining_lots": 0}, "filled", None),
        ({"remaining_lots": 0, "reason": Reason.REQUESTED}, "cancelled", "requested"),
        (
            {"remaining_lots": 0, "filled_lots": 9, "reason": Reason.IMMEDIATE_OR_CANCEL},
            "cancelled",
            "immediate_or_cancel",
        ),
        ({"remaining_lots": 0, "reason": Reason.DISCONNECTED}, "cancelled", "disconnected"),
        ({"remaining_lots": 0, "reason": Reason.DAY_EXPIRED}, "expired", "day_expired"),
    ],
)
def test_status(changes: dict[str, int], status: str, reason: str | None) -> None:
    """What an order's numbers say of it."""
    shown = render(make_view(**changes), Terms())
    assert (shown["status"], shown["cancel_reason"]) == (status, reason)


@pytest.mark.parametrize(
    ("fills", "tick_fen", "average"),
    [
        ([(5_000, 1)], 1, "50.00"),
        ([(5_000, 1), (5_001, 1)], 1, "50.01"),  # exactly half a fen goes up
        ([(5_000, 2), (5_001, 1)], 1, "50.00"),
        ([(5_000, 1), (5_001, 2)], 1, "50.01"),
        ([(10, 1), (11, 1)], 5, "0.53"),  # in fen, not in ticks of five
    ],
)
def test_average_price(fills: list[tuple[int, int]], tick_fen: int, average: str) -> None:
    """The average of the fills, weighted by quantity and rounded half up to the fen."""
    view = make_view()
    for number, (price_ticks, quantity_lots) in enumerate(fills, start=1):
        view.add_fill(make_fill(price_ticks, quantity_lots, number), remaining_lots=1)
    assert render(view, Terms(tick_fen=tick_fen))["average_price"] == average


@pytest.mark.parametrize(
    ("changes", "member", "text"),
    [
        ({"order_type": OrderType.MARKET}, "price", None),
        ({"flags": OrderFlag.POST_ONLY}, "post_only", True),
        ({"flags": OrderFlag.QUOTE, "client_id_high": 0, "client_id_low": 0}, "is_quote", True),
        ({"client_id_high": 0, "client_id_low": 0}, "client_order_id", None),
        ({"flags": OrderFlag.CANCEL_ON_DISCONNECT}, "cancel_on_disconnect", True),
        ({"time_in_force": TimeInForce.GTC}, "time_in_force", "gtc"),
        ({"purpose": Purpose.COMPLIANCE}, "purpose", "compliance"),
    ],
)
def test_members(changes: dict[str, int], member: str, text: object) -> None:
    """Flags and enumerations in the contract's words; a market order shows no price."""
    assert render(make_view(**changes), Terms())[member] == text


def test_a_uuid_comes_back_as_it_was_written() -> None:
    """A client id of 16 raw bytes is shown as a UUID where it was one."""
    identifier = str(uuid.UUID(int=2**127 + 5))
    high, low, _ = pack_client_id(identifier)
    view = make_view(client_id_high=high, client_id_low=low, flags=OrderFlag.CLIENT_ID_IS_UUID)
    assert render(view, Terms())["client_order_id"] == identifier


def test_a_quote_keeps_its_latest_fills_only() -> None:
    """A quote that is filled all day lists its latest fills, and counts all of them."""
    view = make_view(flags=OrderFlag.QUOTE)
    for number in range(1, 1_001):
        view.add_fill(make_fill(5_000, 1, number), remaining_lots=1)
    assert view.filled_lots == 1_000
    assert 50 <= len(view.fills) <= 100
    assert view.fills[-1].trade_id == 1_000
