"""Credits set aside until something is decided: transfers to be accepted, freezes, exports.

Like a pledge, each is an operation that takes the blocks out of every other use ("pledged", under
the operation's id) and a second operation that says how it ends. Nothing is set aside twice, and
nothing ends twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.times import format_time
from settlement import blocks, custody, identity
from settlement.blocks import Criteria, Status
from settlement.certificates import serial_range
from settlement.engine_steps import Step
from settlement.errors import Refused
from settlement.operations import Plan, Prepare, Request
from settlement.registry import require
from settlement.retirement import usable
from settlement.tables.registry import Block, Movement, Operation

TRANSFER_REQUEST = "transfer_request"
FREEZE = "freeze"
EXPORT = "export"

# What holders are shown instead of "pledged", by the kind of the operation that keeps a block.
SHOWN_STATUS = {TRANSFER_REQUEST: "offered", FREEZE: "blocked", EXPORT: "pending_export"}

# The same, by the kinds of the operations that end it.
SHOWN_BEFORE = {
    "transfer_accept": "offered",
    "transfer_reject": "offered",
    "transfer_cancel": "offered",
    "unfreeze": "blocked",
    "freeze_cancel": "blocked",
    "export_confirm": "pending_export",
    "export_return": "pending_export",
}


class End(NamedTuple):
    """How something that was set aside may end: what becomes of the blocks, and whose they are."""

    kind: str
    outcome: str
    status: Status
    # Who decides: the one that asked, the one that it was offered to, or the registrar.
    decided_by_counterparty: bool = False
    goes_to_counterparty: bool = False


ACCEPTANCE = End(
    TRANSFER_REQUEST,
    "accepted",
    Status.HELD,
    decided_by_counterparty=True,
    goes_to_counterparty=True,
)
REJECTION = End(TRANSFER_REQUEST, "rejected", Status.HELD, decided_by_counterparty=True)
RETRACTION = End(TRANSFER_REQUEST, "cancelled", Status.HELD)
THAW = End(FREEZE, "released", Status.HELD)
FORFEIT = End(FREEZE, "cancelled", Status.CANCELLED)
ARRIVAL = End(EXPORT, "exported", Status.EXPORTED)
RETURN = End(EXPORT, "returned", Status.HELD)


def transfer_request(to_account: str, quantity: int, batch_id: str) -> Prepare:
    """Offer credits held outside custody to another account, which accepts or rejects them."""

    def prepare(session: Session, request: Request) -> Plan:
        receiver = identity.account_number(session, to_account, field="to_account")
        if receiver == request.account:
            raise Refused(
                "invalid_request",
                "This is the sender's account.",
                detail_zh="收方不能是转出方本人。",
                field="to_account",
            )
        return _keep(_held(session, request, batch_id, quantity), request, receiver)

    return prepare


def export(quantity: int, batch_id: str) -> Prepare:
    """Credits leave for another registry; until that confirms them they are nobody's to use."""

    def prepare(session: Session, request: Request) -> Plan:
        return _keep(_held(session, request, batch_id, quantity), request)

    return prepare


def freeze(quantity: int, criteria: Criteria) -> Prepare:
    """An account's credits are kept from any use, those outside custody first."""

    def prepare(session: Session, request: Request) -> Plan:
        chosen = require(usable(session, request.account, criteria, quantity), quantity)
        return _keep(chosen, request, steps=custody.withdrawals(session, chosen))

    return prepare


def cancellation(quantity: int, batch_id: str) -> Prepare:
    """Credits held outside custody cease to exist, without having been used for anybody."""

    def prepare(session: Session, request: Request) -> Plan:
        chosen = _held(session, request, batch_id, quantity)
        return Plan(chosen, Status.CANCELLED, request.account, chosen[0].batch.project.symbol)

    return prepare


def end(operation_id: str, how: End) -> Prepare:
    """What was set aside comes to the one end that is decided for it."""

    def prepare(session: Session, request: Request) -> Plan:
        known = find(session, operation_id, how.kind)
        decider = known.counterparty if how.decided_by_counterparty else known.account
        if decider != request.account:
            raise _not_found()
        kept = session.scalars(
            select(Block)
            .where(Block.operation_id == operation_id, Block.status == Status.PLEDGED)
            .order_by(Block.batch_number, Block.start_number)
        ).all()
        if not kept:
            raise Refused(
                "conflict",
                f"It is {known.outcome or known.status} already.",
                detail_zh="该申请已有结果，或尚未完成。",
            )
        known.outcome = how.outcome
        target = known.counterparty if how.goes_to_counterparty else known.account
        assert target is not None
        return Plan(list(kept), how.status, target, known.symbol)

    return prepare


def come_home(export_id: str) -> Prepare:
    """Exported credits come back from the other registry, every block as it left."""

    def prepare(session: Session, request: Request) -> Plan:
        known = find(session, export_id, EXPORT)
        if known.account != request.account:
            raise _not_found()
        if known.outcome != ARRIVAL.outcome:
            raise Refused(
                "conflict",
                "These credits are not in another registry.",
                detail_zh="该批减排量不在其他登记系统。",
            )
        known.outcome = "reimported"
        left = select(Movement.block_number).where(Movement.reference == export_id)
        gone = session.scalars(
            select(Block)
            .where(Block.number.in_(left), Block.status == Status.EXPORTED)
            .order_by(Block.batch_number, Block.start_number)
        ).all()
        return Plan(list(gone), Status.HELD, known.account, known.symbol)

    return prepare


def find(session: Session, operation_id: str, kind: str) -> Operation:
    """An operation of this kind, whoever's it is. Raises Refused `not_found`."""
    known = session.scalar(
        select(Operation).where(Operation.operation_id == operation_id, Operation.kind == kind)
    )
    if known is None:
        raise _not_found()
    return known


def shown_statuses(session: Session, rows: Sequence[Block]) -> dict[int, str]:
    """What the blocks are, by their numbers: what is set aside says for what."""
    kept = {row.operation_id for row in rows if row.status == Status.PLEDGED}
    kinds: dict[str | None, str] = {}
    if kept:
        found = select(Operation.operation_id, Operation.kind)
        kinds.update(session.execute(found.where(Operation.operation_id.in_(kept))).all())
    return {
        row.number: row.status
        if row.status != Status.PLEDGED
        else SHOWN_STATUS.get(kinds[row.operation_id], row.status)
        for row in rows
    }


def show(session: Session, rows: Sequence[Operation]) -> list[dict[str, Any]]:
    """What was set aside and how it ended, in the order of the rows."""
    codes = identity.account_codes(session)
    ids = [row.operation_id for row in rows]
    serials: dict[str, list[dict[str, str]]] = defaultdict(list)
    for movement in session.scalars(
        select(Movement).where(Movement.reference.in_(ids)).order_by(Movement.number)
    ):
        serials[movement.reference].append(serial_range(movement))
    return [
        {
            "operation_id": row.operation_id,
            "kind": row.kind,
            "account": codes[row.account],
            "to_account": row.body.get("to_account"),
            "to_registry": row.body.get("to_registry"),
            "reason": row.body.get("reason"),
            "status": row.outcome or ("open" if row.status == "completed" else "pending"),
            "symbol": row.symbol,
            "quantity": str(row.quantity),
            "serials": serials[row.operation_id],
            "created_at": format_time(row.created_time_ns),
        }
        for row in rows
    ]


def _keep(
    chosen: list[Block],
    request: Request,
    counterparty: int | None = None,
    steps: tuple[Step, ...] = (),
) -> Plan:
    return Plan(
        chosen,
        Status.PLEDGED,
        request.account,
        chosen[0].batch.project.symbol,
        steps,
        counterparty=counterparty,
    )


def _held(session: Session, request: Request, batch_id: str, quantity: int) -> list[Block]:
    criteria = Criteria(batch_id=batch_id)
    chosen = blocks.gather(session, request.account, Status.HELD, criteria, quantity)
    return require(chosen, quantity)


def _not_found() -> Refused:
    return Refused("not_found", "There is nothing such.", detail_zh="没有这样的申请。")
