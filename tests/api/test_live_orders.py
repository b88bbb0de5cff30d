"""Live orders follow the engine's events and forget in bounds."""

from __future__ import annotations

import numpy as np
import pytest
from engine_driver import SMALL_LIMITS
from engine_flows import command_seeds
from hypothesis import given, settings
from market_flows import run_market_flow

from api.live_orders import LiveOrders
from api.order_views import OrderView
from engine.codes import EventKind, OrderType, Reason, SelfTradePrevention, Side, TimeInForce
from engine.matching.reference import ReferenceEngine
from engine.packed_texts import pack_client_id
from engine.records import EVENT, ORDER_EVENT, RAW, TRADE_EVENT
from engine.state_records import ORDER_STATE


def _joined(*events: np.ndarray) -> np.ndarray:
    return np.concatenate([event.view(RAW) for event in events]).view(EVENT)


def _accepted(sequence: int, order_id: int, **fields: int) -> np.ndarray:
    high, low, _ = pack_client_id(f"order-{order_id}")
    event = np.zeros(1, ORDER_EVENT)
    values = {
        "sequence": sequence,
        "time_ns": 1_000 * sequence,
        "kind": EventKind.ORDER_ACCEPTED,
        "instrument": 1,
        "order_id": order_id,
        "client_id_high": high,
        "client_id_low": low,
        "account": 1,
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.DAY,
        "self_trade_prevention": SelfTradePrevention.CANCEL_NEWEST,
        "purpose": 1,
        "price_ticks": 5_000,
        "quantity_lots": 10,
        "remaining_lots": 10,
    }
    for name, value in (values | fields).items():
        event[name] = value
    return event


def _cancelled(sequence: int, order_id: int, **fields: int) -> np.ndarray:
    gone = {"kind": EventKind.ORDER_CANCELLED, "reason": Reason.REQUESTED}
    return _accepted(sequence, order_id, **(gone | fields))


def _traded(sequence: int, trade_id: int, maker_id: int, taker_id: int, **left: int) -> np.ndarray:
    event = np.zeros(1, TRADE_EVENT)
    values = {
        "sequence": sequence,
        "time_ns": 1_000 * sequence,
        "kind": EventKind.TRADE,
        "instrument": 1,
        "trade_id": trade_id,
        "maker_order_id": maker_id,
        "taker_order_id": taker_id,
        "maker_account": 1,
        "taker_account": 2,
        "taker_side": Side.SELL,
        "price_ticks": 5_000,
        "quantity_lots": 4,
        "maker_fee_fen": 1,
        "taker_fee_fen": 2,
        "maker_remaining_lots": 6,
        "taker_remaining_lots": 0,
    }
    for name, value in (values | left).items():
        event[name] = value
    return event


def _shown(view: OrderView) -> dict[str, int]:
    """What an order's view and the engine's export have in common."""
    return {
        name: getattr(view, name)
        for name in ORDER_STATE.names
        if name not in ("entered_time_ns", "session", "gateway", "shown_lots")
    }


def _exported(engine: ReferenceEngine) -> dict[int, dict[str, int]]:
    return {
        int(row["order_id"]): {
            name: int(row[name])
            for name in ORDER_STATE.names
            if name not in ("entered_time_ns", "session", "gateway", "shown_lots")
        }
        for row in engine.export().orders
    }


@settings(max_examples=60, deadline=None)
@given(seeds=command_seeds)
def test_open_orders_are_those_of_the_engine(seeds: list[int]) -> None:
    """After any flow of commands, the open orders in memory are the engine's, field by field."""
    engine = ReferenceEngine(SMALL_LIMITS)
    answers = run_market_flow(engine, seeds)
    live = LiveOrders()
    live.apply(_joined(*answers))
    views = [view for account in range(1, 5) for view in live.open_orders(account)]
    assert {view.order_id: _shown(view) for view in views} == _exported(engine)
    for view in views:
        assert view.filled_lots == view.quantity_lots - view.remaining_lots
        assert view.filled_lots == sum(fill.quantity_lots for fill in view.fills)


@settings(max_examples=40, deadline=None)
@given(seeds=command_seeds)
def test_a_restart_in_the_middle_changes_nothing(seeds: list[int]) -> None:
    """Loaded from the core's orders and the past in the database, then fed the rest, and even what
    it knows already, the views are the same as those that saw everything."""
    engine = ReferenceEngine(SMALL_LIMITS)
    half = len(seeds) // 2
    whole = LiveOrders()
    before = run_market_flow(engine, seeds[:half])
    whole.apply(_joined(*before))
    orders, sequence = engine.export().orders, engine.sequence
    past = LiveOrders()
    past.apply(_joined(*before))
    restarted = LiveOrders()
    restarted.load(
        sequence, orders, [view for account in range(1, 5) for view in past.open_orders(account)]
    )
    restarted.apply(_joined(*before[-3:]))
    assert restarted.sequence == sequence
    for account in range(1, 5):
        by_id = {view.order_id: view for view in restarted.open_orders(account)}
        assert by_id == {view.order_id: view for view in whole.open_orders(account)}


def test_each_kind_of_change_is_told_once() -> None:
    """A batch gives every order it touched in its last state, and a fill for each side."""
    live = LiveOrders()
    changes = live.apply(
        _joined(
            _accepted(1, 101),
            _accepted(2, 102, account=2, side=Side.SELL, quantity_lots=4, remaining_lots=4),
            _traded(2, 1, maker_id=101, taker_id=102),
            _cancelled(3, 101, remaining_lots=6),
        )
    )
    assert [(view.order_id, view.status) for view in changes.orders] == [
        (101, "cancelled"),
        (102, "filled"),
    ]
    assert [(fill.order_id, fill.side, fill.fee_fen, fill.is_maker) for fill in changes.fills] == [
        (101, Side.BUY, 1, True),
        (102, Side.SELL, 2, False),
    ]
    assert live.open_orders(1) == live.open_orders(2) == []


def test_orders_are_found_by_either_id() -> None:
    """By the exchange's id, and by the client's within its account alone."""
    live = LiveOrders()
    live.apply(_accepted(1, 101).view(EVENT))
    high, low, _ = pack_client_id("order-101")
    assert live.get(101) is live.get_by_client_id(1, high, low)
    assert live.get_by_client_id(2, high, low) is None


def test_the_oldest_closed_orders_and_fills_are_forgotten() -> None:
    """Beyond the bounds the oldest go, and `complete_from` says from where on all is known."""
    live = LiveOrders(closed_kept=2, fills_kept=2)
    for number in range(1, 5):
        live.apply(_joined(_accepted(2 * number, number), _cancelled(2 * number + 1, number)))
    assert [live.get(number) is not None for number in range(1, 5)] == [False, False, True, True]
    assert live.complete_from == 6
    high, low, _ = pack_client_id("order-1")
    assert live.get_by_client_id(1, high, low) is None


@pytest.mark.parametrize(
    ("sequence", "orders", "fills"),
    [(0, [102, 101, 103], 1), (4, [101, 103], 1), (5, [101, 103], 1), (6, [103], 0), (7, [], 0)],
)
def test_what_changed_since(sequence: int, orders: list[int], fills: int) -> None:
    """Orders in the order of their latest change, open or closed; fills of the account alone."""
    live = LiveOrders()
    live.apply(
        _joined(
            _accepted(1, 101),
            _accepted(2, 102),
            _cancelled(3, 102),
            _accepted(4, 103),
            _accepted(5, 104, account=2, side=Side.SELL, quantity_lots=4, remaining_lots=4),
            _traded(5, 1, maker_id=101, taker_id=104),
            _cancelled(6, 103),
        )
    )
    assert [view.order_id for view in live.orders_since(1, sequence)] == orders
    assert len(live.fills_since(1, sequence)) == fills
