"""Transfers to be accepted, freezes, cancellations, exports: one end for each, for its decider."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from settlement import blocks, custody, registry, registry_views, retirement, set_aside
from settlement.blocks import Criteria
from settlement.errors import Refused
from settlement.tables.registry import Batch, Block, Movement, Operation

HELD = ("GD-PH-2024-1..100", "held")


def offer(credit_registry, quantity: int, batch_id: str) -> str:
    prepare = set_aside.transfer_request("beta", quantity, batch_id)
    answer = credit_registry.perform(1, "transfer_request", prepare)
    assert answer["transfer_id"] == answer["operation_id"]
    return answer["transfer_id"]


@pytest.mark.parametrize(
    ("decider", "how", "alpha", "beta", "outcome"),
    [
        (2, set_aside.ACCEPTANCE, [], [("GD-PH-2024-1..40", "held")], "accepted"),
        (2, set_aside.REJECTION, [("GD-PH-2024-1..40", "held")], [], "rejected"),
        (1, set_aside.RETRACTION, [("GD-PH-2024-1..40", "held")], [], "cancelled"),
    ],
)
def test_a_transfer_request_ends_once(credit_registry, decider, how, alpha, beta, outcome):
    batch_id = credit_registry.issue(2024, 100)
    transfer_id = offer(credit_registry, 40, batch_id)
    assert ("GD-PH-2024-1..40", "offered") in credit_registry.holdings(1)
    with pytest.raises(Refused, match="insufficient_credits"):
        credit_registry.perform(1, "pledge", registry.pledge(61, batch_id))
    for wrong in {1, 2, 3} - {decider}:
        with pytest.raises(Refused, match="not_found"):
            credit_registry.perform(wrong, "x", set_aside.end(transfer_id, how))

    credit_registry.perform(decider, "x", set_aside.end(transfer_id, how))
    rest = ("GD-PH-2024-41..100", "held")
    assert sorted(credit_registry.holdings(1)) == sorted([*alpha, rest])
    assert credit_registry.holdings(2) == beta
    for late, account in ((set_aside.ACCEPTANCE, 2), (set_aside.RETRACTION, 1)):
        with pytest.raises(Refused, match="already"):
            credit_registry.perform(account, "x", set_aside.end(transfer_id, late))
    with credit_registry.database.read() as session:
        known = set_aside.find(session, transfer_id, set_aside.TRANSFER_REQUEST)
        [shown] = set_aside.show(session, [known])
    assert (shown["status"], shown["account"], shown["quantity"]) == (outcome, "alpha", "40")
    credit_registry.check()


def test_no_end_fits_something_else(credit_registry):
    batch_id = credit_registry.issue(2024, 100)
    transfer_id = offer(credit_registry, 40, batch_id)
    for how in (set_aside.THAW, set_aside.FORFEIT, set_aside.ARRIVAL):
        with pytest.raises(Refused, match="not_found"):
            credit_registry.perform(1, "x", set_aside.end(transfer_id, how))
    with pytest.raises(Refused, match="not_found"):
        credit_registry.perform(1, "x", registry.release(transfer_id))
    with pytest.raises(Refused, match="not_found"):
        credit_registry.perform(1, "x", set_aside.come_home(transfer_id))


@pytest.mark.parametrize("how", [set_aside.THAW, set_aside.FORFEIT])
def test_a_freeze_takes_credits_out_of_custody_too(credit_registry, how):
    credit_registry.issue(2024, 100)
    credit_registry.deposit(1, 70)
    freeze = set_aside.freeze(90, Criteria(("GD-PHCER",)))
    freeze_id = credit_registry.perform(1, "freeze", freeze)["freeze_id"]
    assert sorted(credit_registry.holdings(1)) == [
        ("GD-PH-2024-1..60", "blocked"),
        ("GD-PH-2024-61..70", "custody"),
        ("GD-PH-2024-71..100", "blocked"),
    ]
    credit_registry.check()
    credit_registry.perform(1, "x", set_aside.end(freeze_id, how))
    held = {serials for serials, status in credit_registry.holdings(1) if status == "held"}
    is_given_back = how is set_aside.THAW
    assert held == ({"GD-PH-2024-1..60", "GD-PH-2024-71..100"} if is_given_back else set())
    credit_registry.check()


def test_an_export_comes_home_as_it_left(credit_registry):
    batch_id = credit_registry.issue(2024, 100)
    credit_registry.perform(1, "transfer", registry.transfer("beta", 10, batch_id))
    prepare = set_aside.export(50, batch_id)
    export_id = credit_registry.perform(1, "export", prepare)["export_id"]
    before = credit_registry.holdings(1)
    assert ("GD-PH-2024-11..60", "pending_export") in before
    with pytest.raises(Refused, match="not in another registry"):
        credit_registry.perform(1, "x", set_aside.come_home(export_id))
    credit_registry.perform(1, "x", set_aside.end(export_id, set_aside.ARRIVAL))
    assert credit_registry.holdings(1) == [("GD-PH-2024-61..100", "held")]
    with credit_registry.database.read() as session:
        shown = registry_views.show_batch_in_full(session, batch_id)["quantities"]
    assert (shown["held"], shown["exported"], shown["pending_export"]) == ("50", "50", "0")
    credit_registry.perform(1, "x", set_aside.come_home(export_id))
    after = [(serials, status.replace("pending_export", "held")) for serials, status in before]
    assert credit_registry.holdings(1) == after
    with pytest.raises(Refused, match="not in another registry"):
        credit_registry.perform(1, "x", set_aside.come_home(export_id))
    credit_registry.check()


def test_cancelled_credits_are_gone_without_a_certificate(credit_registry):
    batch_id = credit_registry.issue(2024, 100)
    credit_registry.perform(1, "cancellation", set_aside.cancellation(30, batch_id))
    assert credit_registry.holdings(1) == [("GD-PH-2024-31..100", "held")]
    with credit_registry.database.read() as session:
        items, _ = registry_views.lineage(session, batch_id, 2**62, 10)
    assert [(item["kind"], item["to_status"], item["serials"]["quantity"]) for item in items] == [
        ("cancellation", "cancelled", "30"),
        ("issue", "held", "100"),
    ]
    credit_registry.check()


ENDS = {
    "accept": (set_aside.TRANSFER_REQUEST, set_aside.ACCEPTANCE),
    "reject": (set_aside.TRANSFER_REQUEST, set_aside.REJECTION),
    "retract": (set_aside.TRANSFER_REQUEST, set_aside.RETRACTION),
    "thaw": (set_aside.FREEZE, set_aside.THAW),
    "forfeit": (set_aside.FREEZE, set_aside.FORFEIT),
    "arrive": (set_aside.EXPORT, set_aside.ARRIVAL),
    "return": (set_aside.EXPORT, set_aside.RETURN),
    "home": (set_aside.EXPORT, None),
    "release": ("pledge", None),
}
BEGINNINGS = (
    "issue deposit withdraw transfer pledge offer freeze export cancel retire".split()  # noqa: SIM905
)
ACTIONS = st.tuples(
    st.sampled_from([*BEGINNINGS, *ENDS]), st.integers(1, 3), st.integers(0, 3), st.integers(1, 120)
)


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(actions=st.lists(ACTIONS, min_size=10, max_size=30))
def test_whatever_is_asked_nothing_is_made_lost_or_doubled(new_registry, actions) -> None:
    """Quantities are conserved, ranges partition, custody is the engine's, lineage is complete."""
    credit_registry = new_registry()
    credit_registry.issue(2023, 100)
    credit_registry.issue(2024, 100)
    for action, account, which, quantity in actions:
        _act(credit_registry, action, account, which, quantity)
    credit_registry.check()
    with credit_registry.database.read() as session:
        issued = session.scalar(select(func.sum(Batch.quantity))) or 0
        assert issued == (session.scalar(select(func.sum(Block.quantity))) or 0)
        for block in session.scalars(select(Block)):
            assert _last_state(session, block) == {(block.holder_account, block.status)}, (
                f"block {block.number} is not where its serials' last movement left them"
            )


def _last_state(session: Any, block: Block) -> set[tuple[int, str]]:
    """Where the last movement of the block's first and last serial left them."""
    states = set()
    for number in (block.start_number, block.end_number):
        last = session.scalars(
            select(Movement)
            .where(
                Movement.batch_number == block.batch_number,
                Movement.start_number <= number,
                Movement.end_number >= number,
            )
            .order_by(Movement.number.desc())
            .limit(1)
        ).one()
        states.add((last.to_account, last.to_status))
    return states


def _act(credit_registry, action: str, account: int, which: int, quantity: int) -> None:
    batch_id = f"B{which + 1:08}"
    code = ("alpha", "beta", "gamma")[which % 3]
    symbol = "GD-PHCER"
    beginnings = {
        "deposit": lambda: custody.deposit(symbol, quantity),
        "withdraw": lambda: custody.withdrawal(symbol, quantity),
        "transfer": lambda: registry.transfer(code, quantity, batch_id),
        "pledge": lambda: registry.pledge(quantity, batch_id),
        "offer": lambda: set_aside.transfer_request(code, quantity, batch_id),
        "freeze": lambda: set_aside.freeze(quantity, Criteria((symbol,))),
        "export": lambda: set_aside.export(quantity, batch_id),
        "cancel": lambda: set_aside.cancellation(quantity, batch_id),
        "retire": lambda: retirement.retirement(
            quantity, Criteria((symbol,)), beneficiary="us", reason="why"
        ),
    }
    kinds = {"offer": "transfer_request"}
    if action == "issue":
        credit_registry.issue(2020 + which, quantity)
        return
    try:
        if action in beginnings:
            credit_registry.perform(account, kinds.get(action, action), beginnings[action]())
            return
        kind, how = ENDS[action]
        with credit_registry.database.read() as session:
            ids = session.scalars(
                select(Operation.operation_id)
                .where(Operation.kind == kind)
                .order_by(Operation.number.desc())
            ).all()
        for operation_id in ids[which : which + 1]:
            if action == "home":
                prepare = set_aside.come_home(operation_id)
            elif how is None:
                prepare = registry.release(operation_id)
            else:
                prepare = set_aside.end(operation_id, how)
            credit_registry.perform(account, "end", prepare)
    except Refused:
        with credit_registry.database.read() as session:
            assert blocks.partition_faults(session) == []


def test_every_kind_of_operation_is_generated():
    """The property above would show nothing of an operation that it never asks for."""
    assert {how for _, how in ENDS.values() if how is not None} == {
        value for value in vars(set_aside).values() if isinstance(value, set_aside.End)
    }
    assert len(set(chain(BEGINNINGS, ENDS))) == len(BEGINNINGS) + len(ENDS)
