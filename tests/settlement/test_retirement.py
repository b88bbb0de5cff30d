"""Retirement: held credits first, then those in custody, oldest first, for good, once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from engine.codes import Side
from settlement import blocks, certificates, custody, operations, registry
from settlement.blocks import Criteria
from settlement.errors import Refused
from settlement.retirement import retirement
from settlement.tables.registry import Block, Retirement

FOR_US = {"beneficiary": "普惠公司 Puhui Ltd.", "reason": "2026 年会碳中和"}


def retire(credit_registry, quantity: int, criteria: Criteria | None = None, key=None):
    prepare = retirement(quantity, criteria or Criteria(("GD-PHCER",)), **FOR_US)
    request = operations.Request(1, "retirement", {"quantity": str(quantity)}, key)
    return operations.perform(credit_registry.database, credit_registry.exchange, request, prepare)


def test_held_credits_go_first_then_those_in_custody_oldest_vintage_first(credit_registry):
    credit_registry.issue(2024, 20)
    credit_registry.deposit(1, 20)
    credit_registry.issue(2023, 20)
    credit_registry.deposit(1, 20)
    credit_registry.issue(2025, 10)
    answer = retire(credit_registry, 35)
    assert [(part["start"], part["end"]) for part in answer["serials"]] == [
        ("GD-PH-2023-1", "GD-PH-2023-20"),
        ("GD-PH-2024-1", "GD-PH-2024-5"),
        ("GD-PH-2025-1", "GD-PH-2025-10"),
    ]
    assert answer["quantity"] == "35"
    assert answer["beneficiary"] == FOR_US["beneficiary"]
    assert credit_registry.holdings(1) == [("GD-PH-2024-6..20", "custody")]
    credit_registry.check()


def test_retired_credits_are_gone_for_good(credit_registry):
    batch_id = credit_registry.issue(2024, 20)
    retire(credit_registry, 20, Criteria(batch_id=batch_id))
    for prepare in (
        registry.transfer("beta", 1, batch_id),
        registry.pledge(1, batch_id),
        custody.deposit("GD-PHCER", 1),
        retirement(1, Criteria(("GD-PHCER",)), **FOR_US),
    ):
        with pytest.raises(Refused, match="insufficient_credits"):
            credit_registry.perform(1, "any", prepare)
    with credit_registry.database.read() as session:
        assert session.scalars(select(Block.status)).all() == ["retired"]


def test_credits_that_an_order_holds_are_not_retired(credit_registry):
    credit_registry.issue(2024, 20)
    credit_registry.deposit(1, 15)
    credit_registry.exchange.order(1, 1, Side.SELL, 5_000, 10)
    with pytest.raises(Refused, match="insufficient_credits"):
        retire(credit_registry, 11)
    assert {status for _, status in credit_registry.holdings(1)} == {"held", "custody"}
    credit_registry.check()
    assert retire(credit_registry, 10)["status"] == "completed"
    credit_registry.check()


def test_a_repeated_request_gets_the_same_certificate(credit_registry):
    credit_registry.issue(2024, 20)
    first = retire(credit_registry, 5, key="once")
    assert retire(credit_registry, 5, key="once") == first
    with credit_registry.database.read() as session:
        assert len(session.scalars(select(Retirement)).all()) == 1


def test_an_interrupted_retirement_is_finished_at_the_next_start(credit_registry):
    class Cut:
        """Carries the command out and loses the answer."""

        def submit(self, commands):
            credit_registry.exchange.submit(commands)
            raise ConnectionResetError

    credit_registry.issue(2024, 20)
    credit_registry.deposit(1, 20)
    request = operations.Request(1, "retirement", {})
    prepare = retirement(5, Criteria(("GD-PHCER",)), **FOR_US)
    with pytest.raises(ConnectionResetError):
        operations.perform(credit_registry.database, Cut(), request, prepare)
    assert operations.resume_pending(credit_registry.database, credit_registry.exchange) == 1
    assert operations.resume_pending(credit_registry.database, credit_registry.exchange) == 0
    credit_registry.check()
    with credit_registry.database.read() as session:
        found = session.scalars(select(Retirement)).one()
        content = certificates.certificate(session, found)
    assert (content["quantity"], found.source) == ("5", request.operation_id)


ACTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["issue", "deposit", "withdrawal", "deliver", "transfer", "pledge", "release", "retire"]
        ),
        st.integers(1, 3),
        st.integers(1, 3),
        st.integers(1, 60),
    ),
    max_size=25,
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(acts=ACTS)
def test_no_sequence_of_operations_makes_or_loses_a_serial(credit_registry, acts):
    """One registry lives through all examples: each goes on where the one before ended."""
    with credit_registry.database.read() as session:
        issued = sum(session.scalars(select(Block.quantity)).all())
    for kind, account, other, quantity in acts:
        if kind == "issue":
            credit_registry.issue(2020 + other, quantity)
            issued += quantity
            continue
        with suppress(Refused):
            act(credit_registry, kind, account, other, quantity)
    credit_registry.check()
    with credit_registry.database.read() as session:
        assert sum(session.scalars(select(Block.quantity)).all()) == issued
        retired = select(Block.quantity).where(Block.status == "retired")
        certified = select(Retirement.quantity)
        assert sum(session.scalars(retired)) == sum(session.scalars(certified))


def act(credit_registry, kind: str, account: int, other: int, quantity: int) -> None:
    batch_id, names = f"B{other:08}", {1: "alpha", 2: "beta", 3: "gamma"}
    match kind:
        case "deliver":
            trade_and_deliver(credit_registry, account, other, quantity)
        case "release":
            with credit_registry.database.read() as session:
                pledged = select(Block.operation_id).where(Block.status == "pledged")
                pledge_id = session.scalars(pledged.order_by(Block.number)).first() or "none"
            credit_registry.perform(account, kind, registry.release(pledge_id))
        case _:
            prepare = {
                "deposit": custody.deposit("GD-PHCER", quantity),
                "withdrawal": custody.withdrawal("GD-PHCER", quantity),
                "transfer": registry.transfer(names[other], quantity, batch_id),
                "pledge": registry.pledge(quantity, batch_id),
                "retire": retirement(quantity, Criteria(("GD-PHCER",)), **FOR_US),
            }[kind]
            credit_registry.perform(account, "retirement" if kind == "retire" else kind, prepare)


def trade_and_deliver(credit_registry, seller: int, buyer: int, quantity: int) -> None:
    """A withdrawal from the seller and a deposit to the buyer stand for the day's trade."""
    exchange = credit_registry.exchange
    available = exchange.account(seller).positions["available_lots"].sum()
    if seller == buyer or available < quantity:
        return
    exchange.withdraw_credits(seller, 1, quantity)
    exchange.deposit_credits(buyer, 1, quantity)
    credit_registry.database.write(
        lambda session: custody.deliver(
            session, "GD-PHCER", [(seller, buyer, quantity)], f"run/{exchange.engine.sequence}"
        )
    ).result()
    with credit_registry.database.read() as session:
        assert blocks.partition_faults(session) == []


def test_requests_at_the_same_time_share_what_there_is(credit_registry):
    """Ten threads ask for 30 of 100 credits, five of them with one key: three are served."""
    credit_registry.issue(2024, 100)
    credit_registry.deposit(1, 50)

    def ask(number: int) -> str:
        key = "same" if number % 2 else f"key-{number}"
        try:
            return str(retire(credit_registry, 30, key=key)["certificate_id"])
        except Refused as refused:
            return refused.code

    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(ask, range(10)))
    certified = {answer for answer in answers if answer.startswith("PH-")}
    assert len(certified) == 3
    assert {answer for answer in answers if answer not in certified} <= {"insufficient_credits"}
    assert len(set(answers[1::2])) == 1
    credit_registry.check()
