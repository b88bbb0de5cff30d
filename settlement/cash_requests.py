"""Deposits and withdrawals of cash on their way into the engine, and a second person's word.

Functions that change something are for `Database.write`. They raise `Refused`.
"""

from __future__ import annotations

import time
import uuid

from sqlalchemy import select
from sqlalchemy.orm import Session

from settlement.errors import Refused
from settlement.tables.identity import CashRequest


def ask(
    session: Session,
    account: int,
    kind: str,
    amount_fen: int,
    *,
    requested_by: str,
    needs_approval: bool,
    idempotency_key: str | None = None,
) -> tuple[CashRequest, bool]:
    """The request to deposit or withdraw, and whether the key had been used for it before."""
    if idempotency_key is not None:
        known = session.scalar(
            select(CashRequest).where(CashRequest.idempotency_key == idempotency_key)
        )
        if known is not None:
            if (known.account_number, known.kind, known.amount_fen) != (account, kind, amount_fen):
                raise Refused("conflict", "The Idempotency-Key was used for another request.")
            _ = known.account.code  # loaded while the session is open
            return known, True
    made = CashRequest(
        request_id=str(uuid.uuid4()),
        idempotency_key=idempotency_key,
        account_number=account,
        kind=kind,
        amount_fen=amount_fen,
        status="pending" if needs_approval else "approved",
        requested_by=requested_by,
        requested_time_ns=time.time_ns(),
    )
    session.add(made)
    session.flush()
    _ = made.account.code
    return made, False


def decide(session: Session, request_id: str, decided_by: str, *, approve: bool) -> CashRequest:
    """Approve or reject a pending request; never by the person who asked for it."""
    request = find(session, request_id)
    if request.status != "pending":
        raise Refused("conflict", "The request has already been decided.")
    if request.requested_by == decided_by:
        raise Refused("forbidden", "A second person has to decide.")
    request.status = "approved" if approve else "rejected"
    request.decided_by = decided_by
    request.decided_time_ns = time.time_ns()
    return request


def close(session: Session, request_id: str, refused_code: str | None) -> CashRequest:
    """Write down what the engine answered to an approved request."""
    request = find(session, request_id)
    request.status = "completed" if refused_code is None else "refused"
    request.refused_code = refused_code
    return request


def find(session: Session, request_id: str) -> CashRequest:
    """One request. Raises Refused (not_found)."""
    request = session.scalar(select(CashRequest).where(CashRequest.request_id == request_id))
    if request is None:
        raise Refused("not_found", "There is no such request.")
    _ = request.account.code
    return request


def page(session: Session, status: str | None, before: int, limit: int) -> list[CashRequest]:
    """Requests with a row id under `before`, newest first."""
    query = select(CashRequest).where(CashRequest.id < before)
    if status is not None:
        query = query.where(CashRequest.status == status)
    rows = list(session.scalars(query.order_by(CashRequest.id.desc()).limit(limit)))
    for row in rows:
        _ = row.account.code
    return rows
