"""The intake: what each event leaves in the tables, and that it leaves it once."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from engine.codes import Phase, Reason, Side, TimeInForce
from engine.records import EVENT, RAW
from settlement import history, ledger
from settlement.database import Database
from settlement.intake import Intake, IntakeError, apply_events, intake_lease
from settlement.ledger import Holding
from settlement.tables.trading import Instrument, Order, Trade

BUY, SELL = Side.BUY, Side.SELL


def orders_of(database: Database) -> dict[int, Order]:
    with database.read() as session:
        return {order.order_id: order for order in session.scalars(select(Order))}


def test_an_order_is_followed_to_its_end(exchange: Any) -> None:
    """Every way in which an order ends or goes on shows in its row."""
    filled = exchange.order(1, 1, SELL, 5_000, 10)
    amended = exchange.order(1, 1, SELL, 5_010, 10)
    resting = exchange.order(1, 1, SELL, 5_020, 10, time_in_force=TimeInForce.GTC)
    taker = exchange.order(2, 1, BUY, 5_010, 13)
    exchange.amend(1, amended, 5_015, 8)
    cancelled = exchange.order(3, 1, BUY, 4_900, 7)
    exchange.cancel(3, cancelled)
    immediate = exchange.order(3, 1, BUY, 5_015, 9, time_in_force=TimeInForce.IOC)
    expired = exchange.order(3, 1, BUY, 4_900, 7)
    exchange.set_phase(1, Phase.CLOSED)
    exchange.intake.flush()

    rows = orders_of(exchange.database)
    expected = {  # status, quantity, filled, remaining, sum of price times quantity, reason
        filled: ("filled", 10, 10, 0, 50_000, 0),
        amended: ("filled", 8, 8, 0, 3 * 5_010 + 5 * 5_015, 0),
        resting: ("open", 10, 0, 10, 0, 0),
        taker: ("filled", 13, 13, 0, 50_000 + 3 * 5_010, 0),
        cancelled: ("cancelled", 7, 0, 0, 0, Reason.REQUESTED),
        immediate: ("cancelled", 9, 5, 0, 5 * 5_015, Reason.IMMEDIATE_OR_CANCEL),
        expired: ("expired", 7, 0, 0, 0, Reason.DAY_EXPIRED),
    }
    found = {
        order_id: (
            *(row.status, row.quantity_lots, row.filled_lots),
            *(row.remaining_lots, row.filled_ticks, row.reason),
        )
        for order_id, row in rows.items()
    }
    assert found == expected
    assert rows[filled].created_time_ns < rows[filled].updated_time_ns


def test_a_partially_filled_order_is_one(exchange: Any) -> None:
    """A trade that leaves something open gives the status of its own."""
    resting = exchange.order(1, 1, SELL, 5_000, 10)
    exchange.order(2, 1, BUY, 5_000, 4)
    exchange.intake.flush()
    row = orders_of(exchange.database)[resting]
    assert (row.status, row.filled_lots, row.remaining_lots) == ("partially_filled", 4, 6)


def test_trades_and_instruments_are_kept(exchange: Any) -> None:
    """A trade carries its notional, fees and trading day; the instrument its present terms."""
    exchange.order(1, 1, SELL, 5_000, 100)
    exchange.order(2, 1, BUY, 5_000, 100)
    exchange.intake.flush()
    with exchange.database.read() as session:
        trade = session.scalars(select(Trade)).one()
        instrument = session.scalars(select(Instrument)).one()
    assert (trade.notional_fen, trade.maker_fee_fen, trade.taker_fee_fen) == (500_000, 500, 1_500)
    assert (trade.maker_account, trade.taker_account, trade.taker_side) == (1, 2, BUY)
    assert trade.trading_day == instrument.trading_day == 20_777
    assert (instrument.symbol, instrument.phase) == ("GD-PHCER", Phase.CONTINUOUS)
    assert (instrument.lower_limit_ticks, instrument.upper_limit_ticks) == (4_500, 5_500)


def test_cash_and_credits_are_posted(exchange: Any) -> None:
    """Deposits and withdrawals move the ledger against the bank and the registry."""
    exchange.withdraw_cash(1, 1_000_000)
    exchange.withdraw_credits(2, 1, 400)
    exchange.intake.flush()
    with exchange.database.read() as session:
        assert ledger.imbalances(session) == []
        assert ledger.balances(session) == {
            Holding("bank", 0, "CNY"): -29_000_000,
            Holding("participant", 1, "CNY"): 9_000_000,
            Holding("participant", 2, "CNY"): 10_000_000,
            Holding("participant", 3, "CNY"): 10_000_000,
            Holding("registry", 0, "GD-PHCER"): -2_600,
            Holding("participant", 1, "GD-PHCER"): 1_000,
            Holding("participant", 2, "GD-PHCER"): 600,
            Holding("participant", 3, "GD-PHCER"): 1_000,
        }
