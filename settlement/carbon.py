"""Organisations' carbon accounts: what they state of a year, and what they retired in it.

Entries are statements of the organisation, in kilograms, and are replaced, never changed. What was
retired comes from the registry, and counts for the organisation only where it is the beneficiary.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from engine.times import day_date, format_time
from settlement.errors import Refused, require_same_request
from settlement.points import format_milli
from settlement.points_rules import day_of
from settlement.tables.carbon import CarbonEntry
from settlement.tables.identity import Account
from settlement.tables.registry import Batch, Block, Project, Retirement

_KILOGRAMS_PER_TONNE = 1_000


class NewEntry(NamedTuple):
    """What an organisation states; `replaces` is the number of the entry that was wrong."""

    year: int
    kind: str
    category: str
    quantity_kg: int
    evidence: str
    replaces: int | None = None


def add_entry(session: Session, account: int, new: NewEntry, key: str | None) -> CarbonEntry:
    """State an emission or a reduction; the same key again is the same entry. Raises Refused."""
    fingerprint = hashlib.sha256(json.dumps(new).encode()).hexdigest()
    if key is not None:
        earlier = session.scalar(
            select(CarbonEntry).where(
                CarbonEntry.account == account, CarbonEntry.idempotency_key == key
            )
        )
        if earlier is not None:
            require_same_request(earlier.fingerprint, fingerprint)
            return earlier
    if new.replaces is not None:
        _require_replaceable(session, account, new.replaces)
    row = CarbonEntry(
        account=account,
        **new._asdict(),
        idempotency_key=key,
        fingerprint=fingerprint,
        created_time_ns=time.time_ns(),
    )
    session.add(row)
    session.flush()
    return row


def summary(session: Session, account: int, year: int) -> dict[str, Any]:
    """The account's year: emissions, reductions, what was retired for it, and what is left."""
    owner = session.get_one(Account, account)
    stated: dict[str, dict[str, int]] = {"emission": {}, "reduction": {}}
    for kind, category, quantity_kg in session.execute(
        _standing(account)
        .where(CarbonEntry.year == year)
        .with_only_columns(
            CarbonEntry.kind, CarbonEntry.category, func.sum(CarbonEntry.quantity_kg)
        )
        .group_by(CarbonEntry.kind, CarbonEntry.category)
        .order_by(CarbonEntry.kind, CarbonEntry.category)
    ):
        stated[kind][category] = int(quantity_kg)
    own, others = _retired(session, owner, year)
    retired_kg = sum(row.quantity for row in own) * _KILOGRAMS_PER_TONNE
    emissions_kg = sum(stated["emission"].values())
    reductions_kg = sum(stated["reduction"].values())
    return {
        "account": owner.code,
        "name": owner.name,
        "year": year,
        "emissions": format_milli(emissions_kg),
        "emissions_by_category": _tonnes(stated["emission"]),
        # Reductions are inside the emissions as they are stated, so they are not taken off again.
        "reductions": format_milli(reductions_kg),
        "reductions_by_category": _tonnes(stated["reduction"]),
        "retired": format_milli(retired_kg),
        "retired_for_others": str(sum(row.quantity for row in others)),
        "certificates": [row.certificate_id for row in own],
        "net": format_milli(emissions_kg - retired_kg),
    }


def statement(session: Session, account: int, year: int, time_ns: int) -> dict[str, Any]:
    """What a lender is shown: the year, and the credits that the account holds, by batch."""
    held = session.execute(
        select(
            Project.project_id,
            Project.name,
            Project.methodology,
            Batch.batch_id,
            Batch.vintage,
            Block.status,
            func.sum(Block.quantity),
        )
        .join(Batch, Block.batch_number == Batch.number)
        .join(Project, Batch.project_id == Project.project_id)
        .where(Block.holder_account == account, Block.status.in_(("held", "custody", "pledged")))
        .group_by(
            Project.project_id,
            Project.name,
            Project.methodology,
            Batch.batch_id,
            Batch.vintage,
            Block.status,
        )
        .order_by(Batch.batch_id, Block.status)
    )
    names = ("project_id", "project", "methodology", "batch_id", "vintage", "status")
    return {
        "kind": "carbon_statement",
        "as_of": format_time(time_ns),
        **summary(session, account, year),
        "holdings": [
            dict(zip(names, row[:-1], strict=True)) | {"quantity": str(int(row[-1]))}
            for row in held
        ],
    }


def show_entry(row: CarbonEntry) -> dict[str, Any]:
    """An entry as its account sees it."""
    return {
        "entry_id": str(row.number),
        "year": row.year,
        "kind": row.kind,
        "category": row.category,
        "quantity": format_milli(row.quantity_kg),
        "evidence": row.evidence,
        "replaces": None if row.replaces is None else str(row.replaces),
        "created_at": format_time(row.created_time_ns),
    }


def _standing(account: int) -> Any:
    """The account's entries that no other one replaces."""
    later = aliased(CarbonEntry)
    return (
        select(CarbonEntry)
        .outerjoin(later, later.replaces == CarbonEntry.number)
        .where(CarbonEntry.account == account, later.number.is_(None))
    )


def _retired(
    session: Session, owner: Account, year: int
) -> tuple[Sequence[Retirement], Sequence[Retirement]]:
    """What the account retired in the year: for itself, and for others."""
    by_owner: dict[bool, list[Retirement]] = defaultdict(list)
    rows = select(Retirement).where(Retirement.account == owner.number).order_by(Retirement.number)
    for row in session.scalars(rows):
        # A surrender counts for the year that it is for, a retirement for the one that it is in.
        counts_for = row.year if row.year is not None else day_date(day_of(row.time_ns)).year
        if counts_for == year:
            is_own = row.kind == "surrender" or row.beneficiary in (owner.code, owner.name)
            by_owner[is_own].append(row)
    return by_owner[True], by_owner[False]


def _require_replaceable(session: Session, account: int, number: int) -> None:
    known = session.get(CarbonEntry, number)
    if known is None or known.account != account:
        raise Refused(
            "not_found", "There is no such entry.", detail_zh="没有该条目。", field="replaces"
        )
    if session.scalar(select(CarbonEntry).where(CarbonEntry.replaces == number)) is not None:
        raise Refused(
            "conflict", "It is replaced already.", detail_zh="该条目已被更正。", field="replaces"
        )


def _tonnes(quantities_kg: dict[str, int]) -> dict[str, str]:
    return {category: format_milli(quantity) for category, quantity in quantities_kg.items()}
