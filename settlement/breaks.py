"""What does not agree, as a queue: listed, given to somebody, resolved with a reason.

A break is resolved by what was found out or done elsewhere, or by a posting that brings the ledger
to the other side; such an adjustment waits for a second person and is posted only if the
difference is still the same. Functions that change something are for `Database.write`; they raise
Refused.
"""

from __future__ import annotations

import time

from sqlalchemy import select
from sqlalchemy.orm import Session

from settlement import ledger
from settlement.clearing import unfinished_run
from settlement.database import Database
from settlement.errors import Refused
from settlement.identity import audit
from settlement.intake import checkpoint
from settlement.ledger import CASH, Kind, Leg, Posting
from settlement.ports import EnginePort
from settlement.reconciliation import Break, BreakKind, reconcile
from settlement.tables.clearing import ReconciliationBreak
from settlement.tables.identity import User

_WORKERS = {"settlement", "operator"}


def page(
    session: Session, status: str | None, before: int, limit: int
) -> list[ReconciliationBreak]:
    """Breaks with an id under `before`, newest first."""
    query = select(ReconciliationBreak).where(ReconciliationBreak.break_id < before)
    if status is not None:
        query = query.where(ReconciliationBreak.status == status)
    return list(session.scalars(query.order_by(ReconciliationBreak.break_id.desc()).limit(limit)))


def assign(session: Session, break_id: int, assignee: str, actor: str) -> ReconciliationBreak:
    """Give the break to somebody of settlement or operation."""
    found = _find(session, break_id, "open", "pending")
    roles = session.scalar(select(User.roles).where(User.username == assignee))
    if roles is None or not _WORKERS & set(roles.split()):
        raise Refused("not_found", "There is no such operator.", field="assignee")
    found.assigned_to = assignee
    audit(session, actor, "break_assigned", {"break_id": break_id, "assignee": assignee})
    return found


def resolve(
    session: Session, break_id: int, reason: str, actor: str, *, adjust: bool
) -> ReconciliationBreak:
    """Close the break; or ask for the ledger to be adjusted, which a second person decides."""
    found = _find(session, break_id, "open")
    if adjust and found.kind not in (BreakKind.ENGINE_LEDGER, BreakKind.LEDGER_CUSTODY):
        raise Refused("conflict", "A posting cannot mend this break.", field="adjust")
    found.reason, found.resolved_by = reason, actor
    found.resolved_time_ns = time.time_ns()
    found.status = "pending" if adjust else "resolved"
    action = "adjustment_asked" if adjust else "break_resolved"
    audit(session, actor, action, {"break_id": break_id, "reason": reason})
    return found


def reject(session: Session, break_id: int, actor: str) -> ReconciliationBreak:
    """A second person's no to an adjustment; the break is open again."""
    found = _pending(session, break_id, actor)
    found.status = "open"
    found.decided_by, found.decided_time_ns = actor, time.time_ns()
    audit(session, actor, "adjustment_rejected", {"break_id": break_id})
    return found


def approve(database: Database, port: EnginePort, break_id: int, actor: str) -> ReconciliationBreak:
    """A second person's yes: post the difference, if it is still there. Raises Refused."""
    with database.read() as session:
        _pending(session, break_id, actor)
    present = reconcile(database, port).breaks
    return database.write(lambda session: _post(session, break_id, actor, present)).result()


def missing_in_ledger(found: Break | ReconciliationBreak) -> int:
    """What the ledger lacks of the other side; fen or lots."""
    other = found.engine if found.kind == BreakKind.ENGINE_LEDGER else found.custody
    return other - found.ledger


def _post(session: Session, break_id: int, actor: str, present: list[Break]) -> ReconciliationBreak:
    found = _pending(session, break_id, actor)
    if unfinished_run(session, also_failed=True) is not None:
        raise Refused("conflict", "A settlement run is not finished; adjust after it.")
    amount, key = missing_in_ledger(found), (found.kind, found.account, found.asset)
    differences = {
        (str(one.kind), one.account, one.asset): missing_in_ledger(one) for one in present
    }
    if differences.get(key) != amount:
        raise Refused("conflict", "The difference is not the same any more.")
    # Against where cash and credits come from: the bank, the registry.
    source = Kind.BANK if found.asset == CASH else Kind.REGISTRY
    owner = ledger.holder(found.account)
    posting = Posting(
        key=f"adjustment:{break_id}",
        kind=ledger.ADJUSTMENT,
        time_ns=time.time_ns(),
        legs=(Leg(*owner, found.asset, amount), Leg(source, 0, found.asset, -amount)),
        # It belongs to the day that is not settled yet.
        sequence=checkpoint(session),
    )
    ledger.post(session, [posting])
    same = select(ReconciliationBreak).where(
        ReconciliationBreak.status != "resolved",
        ReconciliationBreak.kind == found.kind,
        ReconciliationBreak.account == found.account,
        ReconciliationBreak.asset == found.asset,
    )
    # The difference may have been found on several days; it is posted once.
    for one in session.scalars(same):
        one.status, one.reason, one.resolved_by = "resolved", found.reason, found.resolved_by
        one.decided_by, one.decided_time_ns = actor, posting.time_ns
    subject: dict[str, object] = {"break_id": break_id, "posting": posting.key, "amount": amount}
    audit(session, actor, "adjustment_posted", subject)
    return found


def _find(session: Session, break_id: int, *statuses: str) -> ReconciliationBreak:
    found = session.get(ReconciliationBreak, break_id)
    if found is None:
        raise Refused("not_found", "There is no such break.")
    if found.status not in statuses:
        raise Refused("conflict", f"The break is {found.status}.")
    return found


def _pending(session: Session, break_id: int, actor: str) -> ReconciliationBreak:
    found = _find(session, break_id, "pending")
    if found.resolved_by == actor:
        raise Refused("forbidden", "A second person has to decide.")
    return found
