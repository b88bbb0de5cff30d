"""What the registry shows: pages of methodologies, projects, batches, holdings, retirements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from engine.times import format_time
from settlement import certificates, credit_terms
from settlement.blocks import GONE, Status
from settlement.errors import Refused
from settlement.tables.registry import Batch, Block, Methodology, Project

Answer = dict[str, Any]
T = TypeVar("T")


def page(
    session: Session,
    statement: Select[T],
    number: InstrumentedAttribute[int],
    before: int,
    limit: int,
) -> tuple[Sequence[T], str | None]:
    """Up to `limit` rows whose number is below `before`, newest first, and the next cursor."""
    newest = statement.where(number < before).order_by(number.desc()).limit(limit + 1)
    rows = session.scalars(newest).all()
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], str(getattr(rows[limit - 1], number.key))


def holdings(
    session: Session, account: int, before: int, limit: int
) -> tuple[list[Answer], str | None]:
    """The account's blocks that still exist, in custody or not."""
    statement = select(Block).where(Block.holder_account == account, Block.status.not_in(GONE))
    rows, following = page(session, statement, Block.number, before, limit)
    return [_holding(block) for block in rows], following


def show_methodology(row: Methodology) -> Answer:
    """A methodology as the public sees it."""
    return {
        "code": row.code,
        "title": row.title,
        "version": row.version,
        "status": row.status,
        "created_at": format_time(row.created_time_ns),
    }


def show_project(row: Project) -> Answer:
    """A project as the public sees it."""
    return {
        "project_id": row.project_id,
        "name": row.name,
        "methodology": row.methodology,
        "region": row.region,
        "type": row.type,
        "symbol": row.symbol,
        "labels": row.labels,
        "created_at": format_time(row.created_time_ns),
    }


def show_batch(row: Batch) -> Answer:
    """A batch as the public sees it."""
    return {
        "batch_id": row.batch_id,
        "project_id": row.project_id,
        "project": row.project.name,
        "methodology": row.project.methodology,
        "region": row.project.region,
        "symbol": row.project.symbol,
        "vintage": row.vintage,
        "first_day": credit_terms.reduction_period(row)[0].isoformat(),
        "quantity": str(row.quantity),
        "serial_prefix": row.serial_prefix,
        "serials": {"start": row.serial(row.first_number), "end": row.serial(row.last_number)},
        "issued_at": format_time(row.issued_time_ns),
    }


def show_batch_in_full(session: Session, batch_id: str) -> Answer:
    """A batch with what has become of its credits. Raises Refused `not_found`."""
    batch = session.scalar(select(Batch).where(Batch.batch_id == batch_id))
    if batch is None:
        raise Refused("not_found", "There is no such batch.")
    totals = session.execute(
        select(Block.status, func.sum(Block.quantity))
        .where(Block.batch_number == batch.number)
        .group_by(Block.status)
    )
    counted = {status: str(quantity) for status, quantity in totals}
    return show_batch(batch) | {
        "quantities": {status.value: counted.get(status.value, "0") for status in Status}
    }


def _holding(block: Block) -> Answer:
    project = block.batch.project
    return {
        "block_id": str(block.number),
        "batch_id": block.batch.batch_id,
        "symbol": project.symbol,
        "project_id": project.project_id,
        "project": project.name,
        "methodology": project.methodology,
        "region": project.region,
        "vintage": block.batch.vintage,
        "quantity": str(block.quantity),
        "serials": {
            name: text
            for name, text in certificates.serial_range(block).items()
            if name in ("start", "end")
        },
        "status": block.status,
        "parent_block_id": None if block.parent_number is None else str(block.parent_number),
        "pledge_id": block.operation_id if block.status == Status.PLEDGED else None,
    }
