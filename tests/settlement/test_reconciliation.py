"""Reconciliation: agreement at any time of the day, and every kind of disagreement found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from engine.codes import CommandKind, Phase, Side
from settlement import blocks, custody, ledger, operations
from settlement.database import Database
from settlement.ledger import Kind, Leg, Posting
from settlement.reconciliation import BreakKind, reconcile
from settlement.tables.clearing import ClearingRun
from settlement.tables.ledger import LedgerEntry, LedgerTransaction
from settlement.tables.registry import Block

DAY = 20_777


def post_by_hand(session: Session, account: int, asset: str, amount: int) -> None:
    legs = (Leg(Kind.PARTICIPANT, account, asset, amount), Leg(Kind.BANK, 0, asset, -amount))
    ledger.post(session, [Posting("by hand", "correction", 0, legs)])


def test_engine_and_ledger_agree_before_and_after_the_run(market: Any, tmp_path: Path) -> None:
    """Trades that are not settled yet are taken into account, to the fen."""
    assert reconcile(market.database, market).breaks == []
    market.trade_a_day()
    before = reconcile(market.database, market)
    assert (before.breaks, before.unsettled_trades) == ([], 5)
    market.settle(tmp_path)
    after = reconcile(market.database, market)
    assert (after.breaks, after.unsettled_trades) == ([], 0)
    assert after.sequence == market.engine.sequence
    assert after.balances == 11


def test_agreement_in_the_middle_of_a_run(
    market: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an instrument delivered: what is posted already is not counted twice."""
    market.trade_a_day()
    monkeypatch.setattr("settlement.netting.BATCH_SIZE", 1)
    deliver = custody.deliver

    class Stopped(BaseException):
        """The process is gone."""

    for batches_done in (1, 2):
        left = iter(range(batches_done))

        def deliver_some(*arguments: Any, left: Any = left) -> None:
            if next(left, None) is None:
                raise Stopped
            deliver(*arguments)

        monkeypatch.setattr(custody, "deliver", deliver_some)
        with pytest.raises(Stopped):
            market.settle(tmp_path)
        with market.database.read() as session:
            posted = session.scalar(
                select(func.count()).where(LedgerTransaction.run_id.is_not(None))
            )
        # What was delivered before is passed over: each round gets one step further.
        assert posted == batches_done * (batches_done + 1) // 2
        assert reconcile(market.database, market).breaks == []
    monkeypatch.setattr(custody, "deliver", deliver)
    with market.database.read() as session:
        assert session.scalar(select(ClearingRun.step)) == "net"
    market.settle(tmp_path)
    assert reconcile(market.database, market).breaks == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_every_kind_of_break_is_found(market: Any, tmp_path: Path, when: str) -> None:
    """Cash, credits and blocks that were changed behind the exchange's back."""
    market.trade_a_day()
    if when == "after":
        market.settle(tmp_path)
    database: Database = market.database
    database.write(lambda session: post_by_hand(session, 1, "CNY", 5)).result()
    found = reconcile(database, market, pause=lambda _: None).breaks
    assert [(each.kind, each.account, each.asset) for each in found] == [
        (BreakKind.ENGINE_LEDGER, 1, "CNY")
    ]
    assert found[0].ledger - found[0].engine == 5

    def rob(session: Session) -> None:
        session.execute(update(Block).where(Block.holder_account == 2).values(holder_account=3))
        session.execute(
            update(LedgerEntry).where(LedgerEntry.asset == "XM-CER").values(asset="GD-PHCER")
        )

    database.write(rob).result()
    kinds = {
        (each.kind, each.account, each.asset)
        for each in reconcile(database, market, pause=lambda _: None).breaks
    }
    assert {
        (BreakKind.LEDGER_CUSTODY, 2, "GD-PHCER"),
        (BreakKind.LEDGER_CUSTODY, 3, "GD-PHCER"),
        (BreakKind.ENGINE_LEDGER, 1, "XM-CER"),
        (BreakKind.ENGINE_LEDGER, 1, "GD-PHCER"),
    } <= kinds

    def unbalance(session: Session) -> None:
        entry = session.scalars(select(LedgerEntry).where(LedgerEntry.asset == "CNY")).first()
        assert entry is not None
        entry.amount += 1

    database.write(unbalance).result()
    last = reconcile(database, market, pause=lambda _: None).breaks[-1]
    assert (last.kind, last.asset, last.ledger) == (BreakKind.UNBALANCED, "CNY", 1)


def test_an_operation_under_way_is_no_break(market: Any) -> None:
    """Credits between the engine and the registry are left out until their operation ends."""
    request = operations.Request(1, "withdrawal", {})

    def stop() -> None:
        raise ConnectionError("the core is gone")

    market.on_command(CommandKind.WITHDRAW_CREDITS, stop)
    with pytest.raises(ConnectionError):
        operations.perform(market.database, market, request, custody.withdrawal("GD-PHCER", 100))
    outcome = reconcile(market.database, market)
    assert (outcome.breaks, outcome.operations_under_way) == ([], 1)
    operations.resume_pending(market.database, market)
    market.intake.flush()
    outcome = reconcile(market.database, market)
    assert (outcome.breaks, outcome.operations_under_way) == ([], 0)


ACTIONS = st.tuples(
    st.sampled_from(["buy", "sell", "cash", "out", "withdraw", "settle"]),
    st.integers(1, 4),
    st.integers(1, 2),
    st.integers(1, 400),
    st.integers(-3, 3),
)


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(actions=st.lists(ACTIONS, min_size=5, max_size=40))
def test_generated_days(
    new_market: Any, tmp_path_factory: pytest.TempPathFactory, actions: list[Any]
) -> None:
    """Whatever is traded, paid in, taken out and settled: the ledger sums to zero, custody equals
    the engine after each day, blocks partition what was issued."""
    market = new_market()
    folder = tmp_path_factory.mktemp("settled")
    day = DAY
    for action, account, instrument, quantity, offset in [*actions, ("settle", 1, 1, 1, 0)]:
        symbol = ("GD-PHCER", "XM-CER")[instrument - 1]
        match action:
            case "buy" | "sell":
                side = Side.BUY if action == "buy" else Side.SELL
                market.attempt_order(account, instrument, side, 5_000 + offset, quantity)
            case "cash":
                market.deposit_cash(account, quantity)
            case "out":
                market.withdraw_cash(account, quantity)
            case "withdraw":
                market.attempt_withdrawal(account, symbol, quantity)
            case "settle":
                market.intake.flush()
                market.settle(folder, day=day)
                day += 1
                in_engine = {
                    (int(row["account"]), ("GD-PHCER", "XM-CER")[row["instrument"] - 1]): int(
                        row["available_lots"] + row["held_lots"] + row["locked_lots"]
                    )
                    for row in market.balances().positions
                }
                with market.database.read() as session:
                    kept = custody.custody_totals(session)
                    assert ledger.imbalances(session) == []
                    assert blocks.partition_faults(session) == []
                assert kept == {key: lots for key, lots in in_engine.items() if lots}
        market.intake.flush()
        assert reconcile(market.database, market, pause=lambda _: None).breaks == []
    market.set_phase(1, Phase.CLOSED)
    market.intake.close()
    market.database.close()
