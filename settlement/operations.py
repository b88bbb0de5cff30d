"""What accounts ask of the registry, done exactly once in the database and in the engine together.

    begin    one transaction: check, freeze the blocks, write down the commands for the engine
    execute  send the commands; each has a client id derived from the operation's, so the engine
             takes it once however often it is sent
    finish   one transaction: move the blocks to where they go, write the certificate

A crash between any two leaves the operation pending, and `resume_pending` goes on where it was. If
the engine refuses a command, the ones before it are taken back and the blocks thawed.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.codes import Code
from engine.times import format_time
from settlement import blocks, certificates
from settlement.blocks import Status
from settlement.database import Database
from settlement.engine_steps import Step, foresee, refusal, send
from settlement.errors import Refused, require_same_request
from settlement.ports import EnginePort
from settlement.tables.registry import Block, Movement, Operation

# Two at one operation (its sender, and resume_pending of the back office) could otherwise take
# opposite decisions while a refused command is being reverted.
_LOCK = "operations"


@dataclass(frozen=True)
class Request:
    """Who asks for what; `body` is the request as the client made it."""

    account: int
    kind: str
    body: dict[str, Any]
    idempotency_key: str | None = None
    operation_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True)
class Plan:
    """What a request comes to: the blocks it takes, what becomes of them, and the engine's part."""

    blocks: list[Block]
    target_status: Status
    target_account: int
    symbol: str | None = None
    steps: tuple[Step, ...] = ()
    # What a certificate shall say, where the credits are retired.
    certificate: dict[str, Any] | None = None
    # Whom it concerns besides the account that asks.
    counterparty: int | None = None


# By these names answers repeat the id of an operation that another one will end.
_ID_NAMES = {
    "pledge": "pledge_id",
    "transfer_request": "transfer_id",
    "freeze": "freeze_id",
    "export": "export_id",
}

Prepare = Callable[[Session, Request], Plan]


class _DryRunDone(Exception):  # noqa: N818 - it rolls the transaction back, nothing failed
    def __init__(self, answer: dict[str, Any], account: int, steps: list[Step]) -> None:
        super().__init__()
        self.answer, self.account, self.steps = answer, account, steps


def perform(
    database: Database, port: EnginePort, request: Request, prepare: Prepare
) -> dict[str, Any]:
    """Do it and describe it. Raises Refused; whatever the port raises leaves it pending."""
    operation_id = begin(database, request, prepare)
    execute(database, port, operation_id)
    with database.read() as session:
        return describe(session, find(session, request.account, operation_id))


def begin(database: Database, request: Request, prepare: Prepare) -> str:
    """Accept it, or find what its idempotency key already stands for. Returns the operation's id.

    Raises Refused.
    """
    return database.write(lambda session: _begin(session, request, prepare)).result()


def execute(database: Database, port: EnginePort, operation_id: str) -> None:
    """Bring a pending operation to its end. Raises Refused if that was a refusal."""
    with database.exclusive(_LOCK):
        operation = _advance(database, port, operation_id)
    if operation.status != "completed":
        assert operation.refused_code is not None
        raise refusal(Code(operation.refused_code))


def rehearse(
    database: Database, port: EnginePort, request: Request, prepare: Prepare
) -> dict[str, Any]:
    """What `perform` would answer, with nothing changed. Raises Refused.

    The transaction is rolled back, and what the engine would say is foreseen from its state.
    """

    def work(session: Session) -> None:
        bare = replace(request, idempotency_key=None)
        operation = _get(session, _begin(session, bare, prepare))
        steps = [Step(*numbers) for numbers in operation.steps]
        if steps:  # otherwise it is finished already
            _finish(session, operation.operation_id)
        answer = describe(session, operation)
        hidden = ("operation_id", "certificate_id", "verify_path", *_ID_NAMES.values())
        answer |= {name: None for name in hidden if name in answer}
        raise _DryRunDone(answer | {"dry_run": True}, operation.account, steps)

    try:
        database.write(work).result()
    except _DryRunDone as done:
        for step in done.steps:
            code = foresee(port, done.account, step)
            if code is not Code.OK:
                raise refusal(code) from None
        return done.answer
    raise AssertionError("a rehearsal always rolls back")


def resume_pending(database: Database, port: EnginePort) -> int:
    """Finish what a crash interrupted; returns how many operations that were."""
    with database.read() as session:
        unfinished = session.scalars(
            select(Operation.operation_id)
            .where(Operation.status.in_(("pending", "reverting")))
            .order_by(Operation.number)
        ).all()
    for operation_id in unfinished:
        try:
            execute(database, port, operation_id)
        except Refused:
            # Its sender learns it by asking for the operation; the next one is not concerned.
            continue
    return len(unfinished)


def find(session: Session, account: int, operation_id: str) -> Operation:
    """The account's operation. Raises Refused `not_found`, for another account's too."""
    operation = session.scalar(
        select(Operation).where(
            Operation.operation_id == operation_id, Operation.account == account
        )
    )
    if operation is None:
        raise Refused("not_found", "There is no such operation.")
    return operation


def describe(session: Session, operation: Operation) -> dict[str, Any]:
    """The operation as clients see it: the same for ever once it is completed."""
    movements = session.scalars(
        select(Movement)
        .where(Movement.reference == operation.operation_id)
        .order_by(Movement.number)
    ).all()
    answer: dict[str, Any] = {
        "operation_id": operation.operation_id,
        "kind": operation.kind,
        "status": operation.status,
        "symbol": operation.symbol,
        "quantity": str(operation.quantity),
        "serials": [certificates.serial_range(movement) for movement in movements],
        "created_at": format_time(operation.created_time_ns),
    }
    if operation.refused_code is not None:
        answer["code"] = refusal(Code(operation.refused_code)).code
    if operation.kind in _ID_NAMES:
        answer[_ID_NAMES[operation.kind]] = operation.operation_id
    certificate = certificates.of_operation(session, operation.operation_id)
    return answer | (certificate or {})


def _begin(session: Session, request: Request, prepare: Prepare) -> str:
    """Write the operation down, or find the one that the idempotency key already stands for."""
    fingerprint = hashlib.sha256(
        json.dumps([request.kind, request.body], sort_keys=True).encode()
    ).hexdigest()
    if request.idempotency_key is not None:
        earlier = session.scalar(
            select(Operation).where(
                Operation.account == request.account,
                Operation.idempotency_key == request.idempotency_key,
            )
        )
        if earlier is not None:
            require_same_request(earlier.fingerprint, fingerprint)
            return earlier.operation_id
    plan = prepare(session, request)
    operation = Operation(
        operation_id=request.operation_id,
        account=request.account,
        kind=request.kind,
        body=request.body,
        idempotency_key=request.idempotency_key,
        fingerprint=fingerprint,
        status="pending",
        symbol=plan.symbol,
        quantity=sum(block.quantity for block in plan.blocks),
        target_status=plan.target_status,
        target_account=plan.target_account,
        counterparty=plan.counterparty,
        steps=[list(step) for step in plan.steps],
        steps_done=0,
        certificate=plan.certificate,
        created_time_ns=time.time_ns(),
    )
    session.add(operation)
    session.flush()
    blocks.freeze(plan.blocks, operation.operation_id)
    session.flush()
    if not plan.steps:
        _finish(session, operation.operation_id)
    return operation.operation_id


def _advance(database: Database, port: EnginePort, operation_id: str) -> Operation:
    """Send what is to be sent and write the outcome down; returns the operation after it."""
    with database.read() as session:
        operation = _get(session, operation_id)
    if operation.status == "pending":
        for done, numbers in enumerate(operation.steps):
            client_id = f"{operation_id}/step-{done}"
            code = send(port, operation.account, Step(*numbers), client_id)
            if code is not Code.OK:
                operation = database.write(partial(_refuse, operation_id, done, code)).result()
                break
        else:
            return database.write(lambda session: _finish(session, operation_id)).result()
    if operation.status == "reverting":
        for done in reversed(range(operation.steps_done)):
            step = Step(*operation.steps[done]).inverse()
            code = send(port, operation.account, step, f"{operation_id}/revert-{done}")
            assert code is Code.OK, f"operation {operation_id} cannot be reverted: {code.name}"
        operation = database.write(lambda session: _give_back(session, operation_id)).result()
    return operation


def _finish(session: Session, operation_id: str) -> Operation:
    operation = _get(session, operation_id)
    if operation.status != "pending":
        return operation  # whoever was at it too was faster
    time_ns = time.time_ns()
    taken = blocks.frozen(session, operation_id)
    assert sum(block.quantity for block in taken) == operation.quantity
    certificate_id = None
    if operation.certificate is not None:
        certificate_id = certificates.issue(session, operation, time_ns)
    for block in taken:
        blocks.move(
            session,
            block,
            account=operation.target_account,
            status=Status(operation.target_status),
            reference=operation_id,
            time_ns=time_ns,
            certificate_id=certificate_id,
        )
    operation.status = "completed"
    operation.completed_time_ns = time_ns
    session.flush()
    return operation


def _refuse(operation_id: str, done: int, code: Code, session: Session) -> Operation:
    """Write the engine's refusal down before anything is reverted because of it."""
    operation = _get(session, operation_id)
    if operation.status == "pending":
        operation.status = "reverting"
        operation.steps_done = done
        operation.refused_code = int(code)
    return operation


def _give_back(session: Session, operation_id: str) -> Operation:
    operation = _get(session, operation_id)
    if operation.status == "reverting":
        blocks.thaw(blocks.frozen(session, operation_id))
        operation.status = "refused"
        operation.completed_time_ns = time.time_ns()
    return operation


def _get(session: Session, operation_id: str) -> Operation:
    return session.scalars(select(Operation).where(Operation.operation_id == operation_id)).one()
