"""Complaints: filed by a participant, taken into review and answered by an operator in time."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Literal, NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from settlement import market_rules
from settlement.errors import Refused, require_same_request
from settlement.identity import audit
from settlement.tables.oversight import Complaint
from settlement.tables.registry import Retirement
from settlement.tables.trading import Order, Trade

Reference = Literal["order", "trade", "certificate"]
_DAY_NS = 86_400 * 10**9


class NewComplaint(NamedTuple):
    subject: str
    text: str
    reference_kind: Reference | None = None
    reference_id: str | None = None


def file(
    session: Session, account: int, filed: NewComplaint, key: str | None, *, actor: str
) -> Complaint:
    """A new complaint, or the one that the idempotency key stands for already. Raises Refused."""
    content = json.dumps(filed, ensure_ascii=False)
    fingerprint = hashlib.sha256(content.encode()).hexdigest()
    if key is not None:
        earlier = session.scalar(
            select(Complaint).where(Complaint.account == account, Complaint.idempotency_key == key)
        )
        if earlier is not None:
            require_same_request(earlier.fingerprint, fingerprint)
            return earlier
    if filed.reference_kind is not None and not _is_known(session, account, filed):
        raise Refused(
            "not_found",
            f"You have no such {filed.reference_kind}.",
            field="reference_id",
            detail_zh="未找到您名下的该笔记录。",
        )
    time_ns = time.time_ns()
    complaint = Complaint(
        account=account,
        filed_by=actor,
        idempotency_key=key,
        fingerprint=fingerprint,
        **filed._asdict(),
        state="open",
        filed_time_ns=time_ns,
        answer_until_ns=time_ns + market_rules.complaints_rule(session).answer_days * _DAY_NS,
        changed_time_ns=time_ns,
    )
    session.add(complaint)
    session.flush()
    audit(session, actor, "complaint_filed", {"complaint": complaint.number})
    return complaint


def review(session: Session, number: int, *, actor: str) -> Complaint:
    """Take an open complaint into review. Raises Refused."""
    return _change(session, find(session, number), ("open",), "in_review", actor=actor)


def answer(session: Session, number: int, text: str, *, actor: str) -> Complaint:
    """Answer a complaint, which ends it; it may be answered once. Raises Refused."""
    complaint = find(session, number)
    complaint.answer = text
    return _change(session, complaint, ("open", "in_review"), "answered", actor=actor)


def withdraw(session: Session, account: int, number: int, *, actor: str) -> Complaint:
    """Let a participant take back what is not answered yet. Raises Refused."""
    complaint = find(session, number, account)
    return _change(session, complaint, ("open", "in_review"), "withdrawn", actor=actor)


def find(session: Session, number: int, account: int | None = None) -> Complaint:
    """The complaint of this number, of this account if one is named. Raises Refused."""
    complaint = session.get(Complaint, number)
    if complaint is None or account not in (None, complaint.account):
        raise Refused("not_found", "There is no such complaint.", detail_zh="没有该投诉。")
    return complaint


def _change(
    session: Session, complaint: Complaint, before: tuple[str, ...], state: str, *, actor: str
) -> Complaint:
    if complaint.state not in before:
        raise Refused(
            "conflict",
            f"The complaint is {complaint.state.replace('_', ' ')} already.",
            detail_zh="该投诉已处于其他状态。",
        )
    complaint.state, complaint.changed_time_ns = state, time.time_ns()
    if state != "withdrawn":
        complaint.handled_by = actor
    audit(session, actor, "complaint_changed", {"complaint": complaint.number, "to": state})
    return complaint


def _is_known(session: Session, account: int, filed: NewComplaint) -> bool:
    """Whether it refers to an order or trade of the account's own, or to any certificate."""
    text = filed.reference_id or ""
    if filed.reference_kind == "certificate":
        query = select(Retirement.number).where(Retirement.certificate_id == text)
        return session.scalar(query) is not None
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        return False
    if filed.reference_kind == "order":
        order = session.get(Order, int(text))
        return order is not None and order.account == account
    sides = or_(Trade.maker_account == account, Trade.taker_account == account)
    found = session.scalar(select(Trade.trade_id).where(Trade.trade_id == int(text), sides))
    return found is not None
