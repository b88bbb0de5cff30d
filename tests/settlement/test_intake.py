"""The intake: what each event leaves in the tables, and that it leaves it once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from engine.codes import CommandKind, Phase, Reason, Side, TimeInForce
from engine.records import ADMIN_COMMAND, EVENT
from settlement import ledger
from settlement.database import Database
from settlement.intake import Intake, IntakeError, apply_events, checkpoint, intake_lease
from settlement.ledger import Holding
from settlement.tables import Base
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


def test_a_stop_is_pending_until_it_is_triggered(exchange: Any) -> None:
    """Its row says what it waits for, and follows it into the book; an iceberg's says its slice."""
    pending = exchange.order(1, 1, BUY, 5_020, 10, stop_price_ticks=5_010)
    cancelled = exchange.order(1, 1, BUY, 5_020, 10, stop_price_ticks=5_020)
    exchange.cancel(1, cancelled)
    exchange.intake.flush()
    rows = orders_of(exchange.database)
    assert (rows[pending].status, rows[pending].stop_price_ticks) == ("pending_trigger", 5_010)
    assert (rows[cancelled].status, rows[cancelled].reason) == ("cancelled", Reason.REQUESTED)
    iceberg = exchange.order(2, 1, SELL, 5_010, 5, display_quantity_lots=2)
    exchange.order(3, 1, BUY, 5_010, 1)
    exchange.intake.flush()
    rows = orders_of(exchange.database)
    assert (rows[iceberg].status, rows[iceberg].display_quantity_lots) == ("filled", 2)
    assert (rows[pending].status, rows[pending].filled_lots) == ("partially_filled", 4)
    # This one is triggered as it comes in, and meets an order of its own account.
    stopped = exchange.order(1, 1, SELL, 5_000, 10, stop_price_ticks=5_010)
    exchange.intake.flush()
    row = orders_of(exchange.database)[stopped]
    assert (row.status, row.reason) == ("cancelled", Reason.SELF_TRADE_PREVENTION)


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


def test_the_phase_follows_an_interruption(exchange: Any) -> None:
    """Trading that went too far is an auction in the database too, with its trades at its end."""
    rule = {"volatility_ppm": 10_000, "interruption_seconds": 60}
    exchange.command(CommandKind.SET_VOLATILITY, ADMIN_COMMAND, instrument=1, **rule)
    sold = exchange.order(1, 1, SELL, 5_100, 10)
    bought = exchange.order(2, 1, BUY, 5_100, 10)
    exchange.intake.flush()
    with exchange.database.read() as session:
        assert session.scalar(select(Instrument.phase)) == Phase.CALL_AUCTION
    assert {row.status for row in orders_of(exchange.database).values()} == {"open"}
    exchange.set_phase(1, Phase.CONTINUOUS)
    exchange.intake.flush()
    with exchange.database.read() as session:
        assert session.scalar(select(Instrument.phase)) == Phase.CONTINUOUS
        trade = session.scalars(select(Trade)).one()
    assert (trade.maker_order_id, trade.taker_order_id) == (sold, bought)
    assert {row.status for row in orders_of(exchange.database).values()} == {"filled"}


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


def all_rows(database: Database) -> dict[str, list[Any]]:
    """Every row that the intake wrote."""
    with database.read() as session:
        return {
            table.name: sorted(map(tuple, session.execute(select(table))), key=repr)
            for table in Base.metadata.sorted_tables
            if table.name in ("instruments", "orders", "trades", "intake_checkpoint")
        } | {"balances": sorted(ledger.balances(session).items())}


def record_a_session(exchange: Any) -> list[tuple[np.ndarray, int]]:
    """Some of everything, as batches of events."""
    batches: list[tuple[np.ndarray, int]] = []
    consume = exchange.intake.consume

    def listen(events: np.ndarray, last_sequence: int) -> None:
        batches.append((events.copy(), last_sequence))
        consume(events, last_sequence)

    exchange.intake.consume = listen
    exchange.define(1, "GD-PHCER")
    for account in (1, 2):
        exchange.open_account(account)
        exchange.deposit_cash(account, 10_000_000)
        exchange.deposit_credits(account, 1, 1_000)
    exchange.set_phase(1, Phase.CONTINUOUS)
    for price in range(5_000, 5_040, 4):
        order_id = exchange.order(1, 1, SELL, price, 10)
        exchange.order(2, 1, BUY, price, 7)
        exchange.amend(1, order_id, price, 9)
        exchange.order(2, 1, BUY, price - 300, 3)
    exchange.withdraw_cash(1, 5)
    exchange.set_phase(1, Phase.CLOSED)
    exchange.intake.flush()
    return batches


def join(batches: list[tuple[np.ndarray, int]]) -> np.ndarray:
    return np.concatenate([events for events, _ in batches])


def test_batches_of_any_size_and_number_give_the_same_rows(
    new_database: Callable[[], Database], new_exchange: Callable[[Database], Any]
) -> None:
    """One batch, many batches, batches that come twice or overlap: always the same tables."""
    original = new_database()
    batches = record_a_session(new_exchange(original))
    last_sequence = batches[-1][1]
    expected = all_rows(original)
    for size in (1, 7, len(batches)):
        database = new_database()
        for start in range(0, len(batches), size):
            # From the beginning each time: what is known already must be passed over.
            first = max(0, start - size)
            events = join(batches[first : start + size])
            last = batches[min(start + size, len(batches)) - 1][1]
            for _ in range(2):
                database.write(partial(apply_events, events=events, last_sequence=last)).result()
        assert all_rows(database) == expected, f"batches of {size}"
    with database.read() as session:
        assert checkpoint(session) == last_sequence


def test_a_gap_is_refused(
    new_database: Callable[[], Database], new_exchange: Callable[[Database], Any]
) -> None:
    """Events that do not follow on what is known change nothing."""
    batches = record_a_session(new_exchange(new_database()))
    database = new_database()
    for events, last_sequence in (
        (join(batches[1:3]), batches[2][1]),
        (join([batches[0], batches[2]]), batches[2][1]),
        (join(batches[:2]), batches[2][1]),
        (batches[0][0][:0], batches[0][1]),
    ):
        with pytest.raises(IntakeError, match="missing"):
            database.write(
                partial(apply_events, events=events, last_sequence=last_sequence)
            ).result()
    assert all(not rows for rows in all_rows(database).values())


def test_what_fails_is_said_to_whoever_goes_on(database: Database) -> None:
    """After a gap the intake takes nothing more, and says why."""
    intake = Intake(database)
    events = np.zeros(1, EVENT)
    events["sequence"] = 5
    intake.consume(events, 5)
    with pytest.raises(IntakeError):
        intake.flush()
    with pytest.raises(IntakeError):
        intake.consume(events, 6)
    intake.close()
    assert intake.checkpoint() == 0


def test_memory_is_bounded(database: Database) -> None:
    """More events than may wait for the database are refused, and can be asked for again."""
    intake = Intake(database, max_pending_events=10)
    with pytest.raises(IntakeError, match="behind"):
        intake.consume(np.zeros(11, EVENT), 11)
    intake.close()


def test_a_database_that_comes_back_gets_everything(
    new_database: Callable[[], Database],
    new_exchange: Callable[[Database], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the database is away events wait; nothing is lost or doubled."""
    original = new_database()
    batches = record_a_session(new_exchange(original))
    database = new_database()
    failures = iter([True, True])
    write = database.write

    def sometimes(work: Callable[[Any], Any]) -> Any:
        if next(failures, False):
            raise OperationalError("COMMIT", {}, Exception("the server is away"))
        return write(work)

    monkeypatch.setattr(database, "write", sometimes)
    monkeypatch.setattr("settlement.intake._RETRY_SECONDS", 0)
    intake = Intake(database)
    for events, last_sequence in batches:
        intake.consume(events, last_sequence)
    intake.flush()
    intake.close()
    assert all_rows(database) == all_rows(original)


def test_the_lease_is_held_by_one(tmp_path: Path) -> None:
    """One process does the intake; when it lets go, another can."""
    first, second = intake_lease(tmp_path), intake_lease(tmp_path)
    assert first.acquire()
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()
    second.release()
