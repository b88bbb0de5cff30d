"""Deposits, withdrawals and end-of-day delivery: exactly once, whatever is interrupted."""

from __future__ import annotations

import pytest
from failing_port import BrokenLinkError, FailingPort
from sqlalchemy import select

from engine.codes import Side
from settlement import blocks, custody, operations
from settlement.custody import DeliveryError
from settlement.errors import Refused
from settlement.tables.registry import Batch, Block, Operation


def statuses(credit_registry) -> list[str]:
    with credit_registry.database.read() as session:
        return list(session.scalars(select(Operation.status).order_by(Operation.number)))


def test_deposit_and_withdrawal_move_blocks_and_engine_credits_together(credit_registry):
    credit_registry.issue(2024, 100)
    credit_registry.issue(2023, 10)
    answer = credit_registry.deposit(1, 40)
    assert [part["quantity"] for part in answer["serials"]] == ["10", "30"]
    credit_registry.check()
    credit_registry.perform(1, "withdrawal", custody.withdrawal("GD-PHCER", 15))
    credit_registry.check()
    assert sorted(credit_registry.holdings(1)) == [
        ("GD-PH-2023-1..10", "held"),
        ("GD-PH-2024-1..5", "held"),
        ("GD-PH-2024-31..100", "held"),
        ("GD-PH-2024-6..30", "custody"),
    ]


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (custody.deposit("GD-PHCER", 71), "insufficient_credits"),
        (custody.deposit("XM-CER", 1), "unknown_instrument"),
        (custody.deposit("GD-PHCER", 1, "B9"), "insufficient_credits"),
        (custody.withdrawal("GD-PHCER", 31), "insufficient_credits"),
        (custody.withdrawal("XM-CER", 1), "unknown_instrument"),
    ],
)
def test_an_impossible_deposit_or_withdrawal_changes_nothing(credit_registry, prepare, code):
    credit_registry.issue(2024, 100)
    credit_registry.deposit(1, 30)
    before = credit_registry.holdings(1)
    for act in (operations.perform, operations.rehearse):
        request = operations.Request(1, "any", {})
        with pytest.raises(Refused) as refused:
            act(credit_registry.database, credit_registry.exchange, request, prepare)
        assert refused.value.code == code
    assert credit_registry.holdings(1) == before
    credit_registry.check()


def test_credits_in_open_orders_cannot_be_withdrawn(credit_registry):
    credit_registry.issue(2024, 100)
    credit_registry.deposit(1, 100)
    credit_registry.exchange.order(1, 1, Side.SELL, 5_000, 90)
    with pytest.raises(Refused, match="insufficient_credits"):
        credit_registry.perform(1, "withdrawal", custody.withdrawal("GD-PHCER", 11))
    assert statuses(credit_registry) == ["completed", "refused"]
    credit_registry.check()
    credit_registry.perform(1, "withdrawal", custody.withdrawal("GD-PHCER", 10))
    credit_registry.check()


def test_credits_bought_today_cannot_be_withdrawn(credit_registry):
    exchange = credit_registry.exchange
    batch_id = credit_registry.issue(2024, 100)
    credit_registry.deposit(1, 50)
    exchange.order(1, 1, Side.SELL, 5_000, 50)
    exchange.order(2, 1, Side.BUY, 5_000, 50)
    # The seller's blocks are still his in the database, but not his to withdraw.
    with pytest.raises(Refused, match="insufficient_credits"):
        credit_registry.perform(1, "withdrawal", custody.withdrawal("GD-PHCER", 50))
    deliver(credit_registry, [(1, 2, 50)], "day")
    credit_registry.check()
    with pytest.raises(Refused, match="resale_locked"):
        credit_registry.perform(2, "withdrawal", custody.withdrawal("GD-PHCER", 50))
    assert credit_registry.holdings(1)[0] == ("GD-PH-2024-51..100", "held")
    assert batch_id == "B00000001"


@pytest.mark.parametrize("acts", [False, True])
@pytest.mark.parametrize("kind", ["deposit", "withdrawal"])
def test_an_operation_interrupted_at_the_engine_is_resumed_once(credit_registry, kind, acts):
    credit_registry.issue(2024, 100)
    credit_registry.deposit(1, 50)
    prepare = getattr(custody, kind)("GD-PHCER", 20)
    port = FailingPort(credit_registry.exchange, 0, acts)
    request = operations.Request(1, kind, {"quantity": "20"}, "key")
    with pytest.raises(BrokenLinkError):
        operations.perform(credit_registry.database, port, request, prepare)
    assert statuses(credit_registry) == ["completed", "pending"]
    assert ("GD-PH-2024-1..20" if kind == "withdrawal" else "GD-PH-2024-51..70", "frozen") in (
        credit_registry.holdings(1)
    )

    # The sender repeats it, and the start-up resumes it: it happens once.
    for _ in range(2):
        assert operations.resume_pending(credit_registry.database, credit_registry.exchange) <= 1
        again = operations.Request(1, kind, {"quantity": "20"}, "key")
        answer = operations.perform(
            credit_registry.database, credit_registry.exchange, again, prepare
        )
        assert (answer["operation_id"], answer["status"]) == (request.operation_id, "completed")
    credit_registry.check()
    assert in_custody(credit_registry, 1) == (70 if kind == "deposit" else 30)


def test_a_refusal_interrupted_is_still_a_refusal(credit_registry, monkeypatch):
    credit_registry.issue(2024, 100)
    credit_registry.deposit(1, 50)
    credit_registry.exchange.order(1, 1, Side.SELL, 5_000, 50)
    monkeypatch.setattr(operations, "_give_back", lambda *_: (_ for _ in ()).throw(BrokenLinkError))
    request = operations.Request(1, "withdrawal", {}, "key")
    prepare = custody.withdrawal("GD-PHCER", 20)
    with pytest.raises(BrokenLinkError):
        operations.perform(credit_registry.database, credit_registry.exchange, request, prepare)
    monkeypatch.undo()
    assert statuses(credit_registry)[-1] == "reverting"
    operations.resume_pending(credit_registry.database, credit_registry.exchange)
    assert statuses(credit_registry)[-1] == "refused"
    with pytest.raises(Refused, match="insufficient_credits"):
        operations.perform(credit_registry.database, credit_registry.exchange, request, prepare)
    credit_registry.check()


def test_an_idempotency_key_stands_for_one_request(credit_registry):
    credit_registry.issue(2024, 100)

    def ask(account: int, quantity: int):
        request = operations.Request(account, "deposit", {"quantity": str(quantity)}, "key")
        prepare = custody.deposit("GD-PHCER", quantity)
        return operations.perform(
            credit_registry.database, credit_registry.exchange, request, prepare
        )

    first = ask(1, 10)
    assert ask(1, 10) == first
    with pytest.raises(Refused) as refused:
        ask(1, 11)
    assert (refused.value.code, refused.value.field) == ("conflict", "Idempotency-Key")
    # Another account's key is another key.
    with pytest.raises(Refused, match="insufficient_credits"):
        ask(2, 10)
    assert in_custody(credit_registry, 1) == 10
    credit_registry.check()


def test_a_rehearsal_answers_alike_and_changes_nothing(credit_registry):
    credit_registry.issue(2024, 100)
    before = credit_registry.holdings(1)
    request = operations.Request(1, "deposit", {}, "key")
    prepare = custody.deposit("GD-PHCER", 10)
    database, exchange = credit_registry.database, credit_registry.exchange
    rehearsed = operations.rehearse(database, exchange, request, prepare)
    assert credit_registry.holdings(1) == before
    assert statuses(credit_registry) == []
    done = operations.perform(database, exchange, request, prepare)
    assert rehearsed["dry_run"] is True
    for name in ("kind", "status", "symbol", "quantity", "serials"):
        assert rehearsed[name] == done[name]


def test_delivery_is_deterministic_and_done_once_per_key(credit_registry):
    credit_registry.issue(2024, 100)
    credit_registry.issue(2023, 30)
    credit_registry.deposit(1, 130)
    for _ in range(2):
        deliver(credit_registry, [(1, 2, 20), (1, 3, 20), (2, 3, 5)], "run/1")
    assert in_custody(credit_registry, 1) == 90
    assert sorted(credit_registry.holdings(2) + credit_registry.holdings(3)) == [
        ("GD-PH-2023-1..5", "custody"),
        ("GD-PH-2023-21..30", "custody"),
        ("GD-PH-2023-6..20", "custody"),
        ("GD-PH-2024-1..10", "custody"),
    ]
    with pytest.raises(DeliveryError, match="with other transfers"):
        deliver(credit_registry, [(1, 2, 21)], "run/1")


@pytest.mark.parametrize(
    ("transfers", "message"),
    [
        ([(1, 2, 10), (1, 2, 91)], "owes 101 of GD-PHCER and has 100"),
        ([(2, 1, 1)], "owes 1 of GD-PHCER and has 0"),
        ([(1, 1, 1)], "1 to 1"),
        ([(1, 2, 0)], "0 lots"),
        ([(1, 2, -1)], "-1 lots"),
    ],
)
def test_an_impossible_delivery_fails_whole(credit_registry, transfers, message):
    credit_registry.issue(2024, 100)
    credit_registry.deposit(1, 100)
    with pytest.raises(DeliveryError, match=message):
        deliver(credit_registry, transfers, "run")
    assert credit_registry.holdings(1) == [("GD-PH-2024-1..100", "custody")]
    assert credit_registry.holdings(2) == []


def test_a_shortage_due_to_an_unfinished_operation_asks_for_a_repetition(credit_registry):
    credit_registry.issue(2024, 100)
    credit_registry.deposit(1, 100)
    port = FailingPort(credit_registry.exchange, 0, acts=False)
    request = operations.Request(1, "withdrawal", {})
    with pytest.raises(BrokenLinkError):
        operations.perform(
            credit_registry.database, port, request, custody.withdrawal("GD-PHCER", 60)
        )
    with pytest.raises(Refused, match="not finished yet"):
        deliver(credit_registry, [(1, 2, 60)], "run")
    with credit_registry.database.read() as session:
        assert custody.under_way(session) == {1}
        assert custody.custody_totals(session) == {(1, "GD-PHCER"): 40}


def deliver(credit_registry, transfers, run_key: str) -> None:
    credit_registry.database.write(
        lambda session: custody.deliver(session, "GD-PHCER", transfers, run_key)
    ).result()
    with credit_registry.database.read() as session:
        assert blocks.partition_faults(session) == []


def in_custody(credit_registry, account: int) -> int:
    with credit_registry.database.read() as session:
        return custody.custody_totals(session).get((account, "GD-PHCER"), 0)


@pytest.mark.parametrize(
    ("block_order", "left"),
    [("oldest_vintage", 2024), ("newest_vintage", 2023), ("oldest_issue", 2023)],
)
def test_which_blocks_go_first(credit_registry, block_order, left):
    """By vintage, oldest or newest first, or in the order of issue; the rest stays."""
    credit_registry.issue(2024, 50, "GD-A")
    credit_registry.issue(2023, 50, "GD-B")
    credit_registry.deposit(1, 100)
    credit_registry.database.write(
        lambda session: custody.deliver(session, "GD-PHCER", [(1, 2, 50)], "run", block_order)
    ).result()
    with credit_registry.database.read() as session:
        query = select(Batch.vintage).join(Block, Block.batch_number == Batch.number)
        assert session.scalars(query.where(Block.holder_account == 1)).all() == [left]
