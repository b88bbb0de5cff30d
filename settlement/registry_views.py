"""What the registry shows: pages of methodologies, projects, batches, holdings, retirements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from engine.times import format_time
from settlement import certificates, credit_terms, set_aside
from settlement.blocks import GONE, Status
from settlement.errors import Refused
from settlement.registry import STAGES
from settlement.tables.registry import Batch, Block, Methodology, Movement, Operation, Project

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
    statuses = set_aside.shown_statuses(session, rows)
    return [_holding(block, statuses[block.number]) for block in rows], following


def show_methodology(row: Methodology) -> Answer:
    """A methodology as the public sees it."""
    return {
        "code": row.code,
        "title": row.title,
        "version": row.version,
        "status": row.status,
        "created_at": format_time(row.created_time_ns),
    }


def find_methodology(session: Session, code: str) -> Answer:
    """A methodology by its code. Raises Refused `not_found`."""
    row = session.scalar(select(Methodology).where(Methodology.code == code))
    if row is None:
        raise Refused("not_found", "There is no such methodology.", detail_zh="没有该方法学。")
    return show_methodology(row)


def find_project(session: Session, project_id: str) -> Answer:
    """A project by its id. Raises Refused `not_found`."""
    row = session.scalar(select(Project).where(Project.project_id == project_id))
    if row is None:
        raise Refused("not_found", "There is no such project.", detail_zh="没有该项目。")
    return show_project(row)


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
        "stage": row.stage,
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
        "report_id": row.report_id,
        "origin": row.origin,
        "issued_at": format_time(row.issued_time_ns),
    }


def show_batch_in_full(session: Session, batch_id: str) -> Answer:
    """A batch with what has become of its credits. Raises Refused `not_found`."""
    batch = session.scalar(select(Batch).where(Batch.batch_id == batch_id))
    if batch is None:
        raise Refused("not_found", "There is no such batch.")
    totals = session.execute(
        select(Block.status, Operation.kind, func.sum(Block.quantity))
        .outerjoin(Operation, Block.operation_id == Operation.operation_id)
        .where(Block.batch_number == batch.number)
        .group_by(Block.status, Operation.kind)
    )
    counted = dict.fromkeys((*Status, *set_aside.SHOWN_STATUS.values()), 0)
    for status, kind, quantity in totals:
        is_kept = status == Status.PLEDGED
        counted[set_aside.SHOWN_STATUS.get(kind, status) if is_kept else status] += int(quantity)
    return show_batch(batch) | {
        "quantities": {str(status): str(quantity) for status, quantity in counted.items()}
    }


def lineage(
    session: Session, batch_id: str, before: int, limit: int
) -> tuple[list[Answer], str | None]:
    """Every change of every serial of a batch, newest first, without who held it.

    Raises Refused `not_found`.
    """
    batch = session.scalar(select(Batch).where(Batch.batch_id == batch_id))
    if batch is None:
        raise Refused("not_found", "There is no such batch.")
    statement = select(Movement).where(Movement.batch_number == batch.number)
    rows, following = page(session, statement, Movement.number, before, limit)
    kinds = dict(
        session.execute(
            select(Operation.operation_id, Operation.kind).where(
                Operation.operation_id.in_({row.reference for row in rows})
            )
        ).all()
    )
    parents = dict(
        session.execute(
            select(Block.number, Block.parent_number).where(
                Block.number.in_({row.block_number for row in rows})
            )
        ).all()
    )
    return [_movement(row, kinds.get(row.reference), parents) for row in rows], following


def _movement(row: Movement, kind: str | None, parents: Mapping[int, int | None]) -> Answer:
    parent = parents[row.block_number]
    if kind is None:  # a batch's id or a settlement run's, not an operation's
        kind = "delivery" if row.from_status == Status.CUSTODY else "issue"
        kind = "imported_retirement" if row.to_status == Status.RETIRED else kind
    shown = {
        "from": set_aside.SHOWN_BEFORE.get(kind, row.from_status),
        "to": set_aside.SHOWN_STATUS.get(kind, row.to_status),
    }
    return {
        "kind": kind,
        "block_id": str(row.block_number),
        "parent_block_id": None if parent is None else str(parent),
        "from_status": shown["from"],
        "to_status": shown["to"],
        "changes_holder": row.from_account not in (None, row.to_account),
        "serials": certificates.serial_range(row),
        "time": format_time(row.time_ns),
    }


def regions(session: Session) -> list[Answer]:
    """For each region: its projects by stage, and what they have issued."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(STAGES, 0))
    for region, stage, count in session.execute(
        select(Project.region, Project.stage, func.count()).group_by(Project.region, Project.stage)
    ):
        counts[region][stage] = count
    issued = {
        region: int(quantity)
        for region, quantity in session.execute(
            select(Project.region, func.sum(Batch.quantity))
            .join(Batch, Batch.project_id == Project.project_id)
            .group_by(Project.region)
        )
    }
    return [
        {"region": region, "projects": stages, "issued_quantity": str(issued.get(region, 0))}
        for region, stages in sorted(counts.items())
    ]


def _holding(block: Block, status: str) -> Answer:
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
        "status": status,
        "parent_block_id": None if block.parent_number is None else str(block.parent_number),
        "pledge_id": block.operation_id if status == Status.PLEDGED else None,
        "set_aside_id": block.operation_id if block.status == Status.PLEDGED else None,
    }
