"""Imports public registries: projects, issues with their serial blocks, retirements.

A row of Verra's transactions is one serial block: 19385-941467007-941467431-VCS-VCU-1507-VER-ET-...
is the issue 19385, the first and last number (unique over the whole of Verra), and the standard,
project and vintage. As an extract does not show whole issues, each block becomes a batch of its
own. A row that was imported before adds nothing, unless it has been retired since.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.times import day_number, nanoseconds, utc_moment
from engine.units import EXCHANGE_ACCOUNT
from settlement import blocks, certificates, registry
from settlement.blocks import Status
from settlement.database import Database
from settlement.errors import Refused
from settlement.tables.registry import (
    NAME_LENGTH,
    TEXT_LENGTH,
    Batch,
    Block,
    Methodology,
    Project,
    Retirement,
)

ROWS_AT_ONCE = 50
SPACE = "VCS"
_SERIAL = re.compile(r"([0-9]{1,18})-([0-9]{1,14})-([0-9]{1,14})-(VCS-VCU-[0-9A-Za-z-]{1,120})")
_QUANTITY = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})*|[0-9]+")
COLUMNS = (
    "Issuance Date",
    "Vintage Start",
    "ID",
    "Name",
    "Country/Area",
    "Project Type",
    "Methodology",
    "Quantity Issued",
    "Serial Number",
    "Retirement/Cancellation Date",
    "Retirement Beneficiary",
    "Retirement Reason",
    "Retirement Details",
)


class ImportFileError(Exception):
    """The file is none of the kind that this module reads."""


class Row(NamedTuple):
    """One serial block as the registry shows it."""

    issued_time_ns: int
    vintage: int
    first_day: int
    project_id: str
    name: str
    region: str
    type: str
    methodology: str
    quantity: int
    issue: str
    first_number: int
    last_number: int
    suffix: str
    retired_time_ns: int | None
    beneficiary: str
    reason: str
    details: str

    @property
    def batch_id(self) -> str:
        return f"{SPACE}-{self.issue}-{self.first_number}"

    @property
    def serial(self) -> str:
        return f"{self.issue}-{self.first_number}-{self.last_number}-{self.suffix}"


class Fault(NamedTuple):
    """A line that could not be imported, and why."""

    line: int
    reason: str


@dataclass
class Counts:
    """What an import added; quantities are in tonnes."""

    rows: int = 0
    methodologies: int = 0
    projects: int = 0
    batches: int = 0
    issued_quantity: int = 0
    retirements: int = 0
    retired_quantity: int = 0
    known: int = 0
    faults: list[Fault] = field(default_factory=list)


def import_file(
    database: Database,
    path: Path,
    account: int = EXCHANGE_ACCOUNT,
    on_progress: Callable[[int], None] = lambda rows: None,
) -> Counts:
    """Import a file of Verra's transactions; unretired credits go to `account`.

    Raises ImportFileError for a file without the expected columns. Lines that are wrong are
    reported in the counts, and the others imported.
    """
    counts = Counts()
    lines = _lines(path)
    while chunk := list(islice(lines, ROWS_AT_ONCE)):
        added = database.write(partial(_import, chunk, account)).result()
        for name, value in vars(added).items():
            setattr(counts, name, getattr(counts, name) + value)
        on_progress(len(chunk))
    return counts


def parse(fields: dict[str, str]) -> Row:
    """A line of the file. Raises ValueError saying what is wrong with it."""
    serial = _SERIAL.fullmatch(fields["Serial Number"])
    if serial is None:
        raise ValueError(f"{fields['Serial Number'][:100]!r} is no serial block")
    issue, first, last, suffix = serial.groups()
    if not _QUANTITY.fullmatch(fields["Quantity Issued"]):
        raise ValueError(f"{fields['Quantity Issued'][:40]!r} is no quantity")
    quantity = int(fields["Quantity Issued"].replace(",", ""))
    length = int(last) - int(first) + 1
    if quantity != length or quantity < 1:
        raise ValueError(f"quantity {quantity}, but a serial block of {length}")
    retired = fields["Retirement/Cancellation Date"]
    vintage = utc_moment(_date_ns(fields["Vintage Start"])).date()
    return Row(
        issued_time_ns=_date_ns(fields["Issuance Date"]),
        vintage=vintage.year,
        first_day=day_number(vintage),
        project_id=f"{SPACE}-{_text(fields, 'ID', 40)}",
        name=_text(fields, "Name", NAME_LENGTH),
        region=_text(fields, "Country/Area", 64),
        type=_text(fields, "Project Type", NAME_LENGTH),
        methodology=_text(fields, "Methodology", 64),
        quantity=quantity,
        issue=issue,
        first_number=int(first),
        last_number=int(last),
        suffix=suffix,
        retired_time_ns=_date_ns(retired) if retired else None,
        beneficiary=_text(fields, "Retirement Beneficiary", TEXT_LENGTH, 0),
        reason=_text(fields, "Retirement Reason", TEXT_LENGTH, 0),
        details=_text(fields, "Retirement Details", TEXT_LENGTH, 0),
    )


def count_lines(path: Path) -> int:
    """How many rows `import_file` will go through. Raises ImportFileError."""
    return sum(1 for _ in _lines(path))


def report(counts: Counts) -> list[str]:
    """The counts as lines for people."""
    return [
        f"{counts.rows:,} rows: {counts.batches:,} new, {counts.known:,} known before,"
        f" {len(counts.faults):,} at fault",
        f"added {counts.methodologies:,} methodologies, {counts.projects:,} projects",
        f"added {counts.batches:,} serial blocks of {counts.issued_quantity:,} t",
        f"added {counts.retirements:,} retirements of {counts.retired_quantity:,} t",
    ]


def _lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", strict=True)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise ImportFileError(f"{path} has no column {missing[0]!r}")
            for fields in reader:
                yield reader.line_num, fields
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ImportFileError(f"{path}: {error}") from error


def _import(chunk: list[tuple[int, dict[str, str]]], account: int, session: Session) -> Counts:
    counts = Counts()
    for line, fields in chunk:
        counts.rows += 1
        try:
            _import_row(session, parse(fields), account, counts)
        except (ValueError, Refused) as error:
            reason = error.detail if isinstance(error, Refused) else str(error)
            counts.faults.append(Fault(line, reason))
    return counts


def _import_row(session: Session, row: Row, account: int, counts: Counts) -> None:
    """Import one row. What is refused is refused before its batch is touched."""
    batch = session.scalar(select(Batch).where(Batch.batch_id == row.batch_id))
    if batch is None:
        _register(session, row, account, counts)
        batch = registry.issue(
            session,
            registry.NewBatch(
                project_id=row.project_id,
                vintage=row.vintage,
                quantity=row.quantity,
                serial_prefix=row.issue,
                batch_id=row.batch_id,
                number_space=SPACE,
                serial_template=f"{row.issue}-{{number}}-{row.suffix}",
                first_number=row.first_number,
                first_day=row.first_day,
                issued_time_ns=row.issued_time_ns,
            ),
        )
        counts.batches += 1
        counts.issued_quantity += row.quantity
    elif batch.last_number != row.last_number:
        raise ValueError(f"{row.serial} was imported before, ending at {batch.last_number}")
    else:
        counts.known += 1
    if row.retired_time_ns is not None:
        _retire(session, row, row.retired_time_ns, batch, counts)


def _register(session: Session, row: Row, account: int, counts: Counts) -> None:
    """The row's methodology and project, if they are new."""
    if session.scalar(select(Methodology).where(Methodology.code == row.methodology)) is None:
        registry.add_methodology(session, row.methodology, row.methodology, "")
        counts.methodologies += 1
    if session.scalar(select(Project).where(Project.project_id == row.project_id)) is None:
        registry.add_project(
            session,
            registry.NewProject(
                name=row.name,
                methodology=row.methodology,
                region=row.region,
                type=row.type,
                account=account,
                project_id=row.project_id,
            ),
        )
        counts.projects += 1


def _retire(session: Session, row: Row, time_ns: int, batch: Batch, counts: Counts) -> None:
    """Retire the whole block, as the registry did. Raises ValueError if it has been used here."""
    if session.scalar(select(Retirement).where(Retirement.source == row.serial)) is not None:
        return
    [*parts] = session.scalars(select(Block).where(Block.batch_number == batch.number))
    if len(parts) != 1 or parts[0].status != Status.HELD:
        raise ValueError(f"{row.serial} was retired there, but has been used here")
    block = parts[0]
    certificate_id = certificates.new_id()
    session.add(
        Retirement(
            certificate_id=certificate_id,
            account=block.holder_account,
            source=row.serial,
            kind="imported",
            quantity=row.quantity,
            beneficiary=row.beneficiary,
            reason=row.reason,
            details=row.details or None,
            time_ns=time_ns,
        )
    )
    session.flush()
    blocks.move(
        session,
        block,
        account=block.holder_account,
        status=Status.RETIRED,
        reference=batch.batch_id,
        time_ns=time_ns,
        certificate_id=certificate_id,
    )
    counts.retirements += 1
    counts.retired_quantity += row.quantity


def _date_ns(text: str) -> int:
    return nanoseconds(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC))


def _text(fields: dict[str, str], name: str, max_length: int, min_length: int = 1) -> str:
    text = fields[name].strip()
    if not min_length <= len(text) <= max_length or "\0" in text:
        raise ValueError(f"{name} has {len(text)} characters ({min_length} to {max_length} fit)")
    return text
