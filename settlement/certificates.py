"""Certificates of retirement: issued once, shown to anyone who knows their id."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.times import format_time
from settlement.errors import Refused
from settlement.tables.registry import Block, Movement, Operation, Retirement

# Crockford's base 32 has no I, L, O or U, so a printed id can be read aloud and typed again.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_GROUPS, _GROUP_LENGTH = 4, 4  # 80 bits: not to be guessed
_MISREAD = str.maketrans("OIL", "011")


def issue(session: Session, operation: Operation, time_ns: int) -> str:
    """Write the certificate of an operation that retires credits; returns its id."""
    assert operation.certificate is not None
    certificate_id = new_id()
    session.add(
        Retirement(
            certificate_id=certificate_id,
            account=operation.account,
            source=operation.operation_id,
            kind=operation.kind,
            quantity=operation.quantity,
            time_ns=time_ns,
            **operation.certificate,
        )
    )
    session.flush()
    return certificate_id


def new_id() -> str:
    """A fresh certificate id, such as PH-7K3M-0Q9T-XW2B-6DHE."""
    groups = (
        "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS)
    )
    return "-".join(("PH", *groups))


def find(session: Session, certificate_id: str) -> Retirement:
    """The retirement by its certificate's id, as printed or as typed. Raises Refused."""
    typed = certificate_id.strip().upper()
    if typed.startswith("PH-"):
        typed = "PH-" + typed.removeprefix("PH-").translate(_MISREAD)
    found = session.scalar(select(Retirement).where(Retirement.certificate_id == typed))
    if found is None:
        raise Refused("not_found", "There is no such certificate.")
    return found


def of_operation(session: Session, operation_id: str) -> dict[str, Any] | None:
    """The certificate's own fields, for the answer to the operation that earned it."""
    found = session.scalar(select(Retirement).where(Retirement.source == operation_id))
    return None if found is None else _summary(found)


def certificate(session: Session, found: Retirement) -> dict[str, Any]:
    """Everything that the certificate says; nothing of it is private."""
    return certificate_list(session, [found])[0]


def certificate_list(session: Session, found: Sequence[Retirement]) -> list[dict[str, Any]]:
    """What each of the certificates says, in their order."""
    ids = [retirement.certificate_id for retirement in found]
    blocks: dict[str | None, list[Block]] = defaultdict(list)
    for block in session.scalars(
        select(Block)
        .where(Block.certificate_id.in_(ids))
        .order_by(Block.batch_number, Block.start_number)
    ):
        blocks[block.certificate_id].append(block)
    return [_content(retirement, blocks[retirement.certificate_id]) for retirement in found]


def serial_range(part: Block | Movement) -> dict[str, str]:
    """A range of serials as every answer of the registry writes it."""
    return {
        "start": part.batch.serial(part.start_number),
        "end": part.batch.serial(part.end_number),
        "quantity": str(part.end_number - part.start_number + 1),
        "batch_id": part.batch.batch_id,
    }


def _summary(found: Retirement) -> dict[str, Any]:
    return {
        "certificate_id": found.certificate_id,
        "kind": found.kind,
        "quantity": str(found.quantity),
        "beneficiary": found.beneficiary,
        "reason": found.reason,
        "details": found.details,
        "event_id": found.event_id,
        "scheme": found.scheme,
        "year": found.year,
        "retired_at": format_time(found.time_ns),
        "verify_path": f"/v1/verify/{found.certificate_id}",
    }


def _content(found: Retirement, retired: list[Block]) -> dict[str, Any]:
    batches = {block.batch_number: block.batch for block in retired}
    return _summary(found) | {
        "serials": [serial_range(block) for block in retired],
        "credits": [
            {
                "batch_id": batch.batch_id,
                "vintage": batch.vintage,
                "symbol": batch.project.symbol,
                "project_id": batch.project_id,
                "project": batch.project.name,
                "methodology": batch.project.methodology,
                "region": batch.project.region,
                "type": batch.project.type,
            }
            for batch in batches.values()
        ],
    }
