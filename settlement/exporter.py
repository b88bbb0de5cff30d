"""Writes what was imported from a public registry back in its shape, block by block.

A file that `settlement.importer` has read comes out with the same serial blocks, projects and
retirements; blocks that were split here come out as several, which read in give the same again.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.times import utc_moment
from settlement import credit_terms
from settlement.database import Database
from settlement.importer import COLUMNS, SPACE
from settlement.tables.registry import Batch, Block, Retirement

_AT_ONCE = 500


def export_file(database: Database, path: Path) -> int:
    """Write all blocks of Verra's serials, in the order of their numbers; returns how many."""
    count = 0
    with database.read() as session, path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in _rows(session):
            writer.writerow(row)
            count += 1
    return count


def _rows(session: Session) -> Iterator[list[str]]:
    statement = (
        select(Block, Retirement)
        .join(Block.batch)
        .outerjoin(Retirement, Block.certificate_id == Retirement.certificate_id)
        .where(Batch.number_space == SPACE)
        .order_by(Block.start_number)
        .execution_options(yield_per=_AT_ONCE)
    )
    for block, retirement in session.execute(statement):
        yield _row(block, retirement)


def _row(block: Block, retirement: Retirement | None) -> list[str]:
    batch, project = block.batch, block.batch.project
    issue, _, suffix = batch.serial_template.partition("-{number}-")
    return [
        _date(batch.issued_time_ns),
        credit_terms.reduction_period(batch)[0].isoformat(),
        project.project_id.removeprefix(f"{SPACE}-"),
        project.name,
        project.region,
        project.type,
        project.methodology,
        f"{block.quantity:,}",
        f"{issue}-{block.start_number}-{block.end_number}-{suffix}",
        *(("", "", "", "") if retirement is None else _retired(retirement)),
    ]


def _retired(retirement: Retirement) -> tuple[str, str, str, str]:
    return (
        _date(retirement.time_ns),
        retirement.beneficiary,
        retirement.reason,
        retirement.details or "",
    )


def _date(time_ns: int) -> str:
    return utc_moment(time_ns).date().isoformat()
