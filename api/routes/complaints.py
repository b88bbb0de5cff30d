"""Complaints: whoever is logged in files them, operators answer, auditors read along."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from api.auth import Caller, caller, require_role, require_scope
from api.compliance_requests import parse_number
from api.errors import Problem
from api.gateway import Gateway, gateway
from api.registry_requests import IdempotencyKey
from api.schemas import Body, Page, page, plain_text
from api.strict_json import json_body
from engine.times import format_time
from settlement import complaints, registry_views
from settlement.complaints import NewComplaint, Reference
from settlement.identity import account_codes
from settlement.tables.oversight import Complaint

router = APIRouter(tags=["complaints"])

Exchange = Annotated[Gateway, Depends(gateway)]
Wanted = Annotated[Page, Depends(page)]
Anybody = Annotated[Caller, Depends(caller)]
Operator = Annotated[Caller, Depends(require_role("operator"))]
Reader = Annotated[Caller, Depends(require_role("operator", "auditor"))]
State = Literal["open", "in_review", "answered", "withdrawn"]
_MAX_TEXT = 4_000


class ComplaintBody(Body):
    """POST /v1/complaints; a reference is an order or trade of one's own, or a certificate."""

    subject: str
    text: str
    reference_kind: Reference | None = None
    reference_id: str | None = None


class AnswerBody(Body):
    """POST /v1/operator/complaints/{complaint_id}/answer."""

    text: str


@router.post("/complaints", status_code=201)
def file(
    known: Annotated[Caller, Depends(require_scope("read"))],
    body: Annotated[ComplaintBody, Depends(json_body(ComplaintBody))],
    exchange: Exchange,
    idempotency_key: IdempotencyKey = None,
) -> dict[str, Any]:
    """File a complaint; the answer says until when it is to be answered."""
    if (body.reference_kind is None) != (body.reference_id is None):
        raise Problem(
            "invalid_request",
            "A reference has a kind and an id.",
            field="reference_id",
            detail_zh="引用须同时填写类型与编号。",
        )
    filed = NewComplaint(
        plain_text(body.subject, "subject", 200),
        _paragraphs(body.text),
        body.reference_kind,
        body.reference_id and plain_text(body.reference_id, "reference_id", 40),
    )

    def work(session: Session) -> dict[str, Any]:
        made = complaints.file(session, known.account, filed, idempotency_key, actor=known.username)
        return _render(made, known.account_code)

    return exchange.database.write(work).result()


@router.get("/complaints")
def own(known: Anybody, exchange: Exchange, wanted: Wanted) -> dict[str, Any]:
    """The account's complaints, newest first."""
    query = select(Complaint).where(Complaint.account == known.account)
    return _page(exchange, query, wanted)


@router.post("/complaints/{complaint_id}/withdraw")
def withdraw(
    complaint_id: str,
    known: Annotated[Caller, Depends(require_scope("read"))],
    exchange: Exchange,
) -> dict[str, Any]:
    """Take back a complaint that is not answered yet."""
    number = parse_number(complaint_id)

    def work(session: Session) -> dict[str, Any]:
        found = complaints.withdraw(session, known.account, number, actor=known.username)
        return _render(found, known.account_code)

    return exchange.database.write(work).result()


@router.get("/operator/complaints", tags=["operator"])
def everybodys(
    _: Reader,
    exchange: Exchange,
    wanted: Wanted,
    state: State | None = None,
) -> dict[str, Any]:
    """All complaints, newest first; those past their time say so."""
    query = select(Complaint)
    if state is not None:
        query = query.where(Complaint.state == state)
    return _page(exchange, query, wanted)


@router.post("/operator/complaints/{complaint_id}/review", tags=["operator"])
def review(complaint_id: str, known: Operator, exchange: Exchange) -> dict[str, Any]:
    """Take an open complaint into review."""
    number = parse_number(complaint_id)

    def work(session: Session) -> dict[str, Any]:
        found = complaints.review(session, number, actor=known.username)
        return _render(found, account_codes(session)[found.account])

    return exchange.database.write(work).result()


@router.post("/operator/complaints/{complaint_id}/answer", tags=["operator"])
def answer(
    complaint_id: str,
    known: Operator,
    body: Annotated[AnswerBody, Depends(json_body(AnswerBody))],
    exchange: Exchange,
) -> dict[str, Any]:
    """Answer a complaint, which ends it."""
    number, text = parse_number(complaint_id), _paragraphs(body.text)

    def work(session: Session) -> dict[str, Any]:
        found = complaints.answer(session, number, text, actor=known.username)
        return _render(found, account_codes(session)[found.account])

    return exchange.database.write(work).result()


def _paragraphs(text: str) -> str:
    """A text of several lines, each of them plain. Raises Problem."""
    if len(text) > _MAX_TEXT:
        raise Problem("invalid_request", f"At most {_MAX_TEXT} characters.", field="text")
    plain_text(text.replace("\n", " "), "text", _MAX_TEXT)
    return text


def _page(exchange: Gateway, query: Select[Any], wanted: Page) -> dict[str, Any]:
    with exchange.database.read() as session:
        rows, following = registry_views.page(
            session, query, Complaint.number, wanted.before, wanted.limit
        )
        codes = account_codes(session)
        items = [_render(row, codes[row.account]) for row in rows]
    return {"items": items, "next_cursor": following}


def _render(found: Complaint, code: str) -> dict[str, Any]:
    is_due = found.state in ("open", "in_review")
    return {
        "complaint_id": str(found.number),
        "account": code,
        "filed_by": found.filed_by,
        "subject": found.subject,
        "text": found.text,
        "reference_kind": found.reference_kind,
        "reference_id": found.reference_id,
        "state": found.state,
        "answer": found.answer,
        "filed_at": format_time(found.filed_time_ns),
        "answer_until": format_time(found.answer_until_ns),
        "overdue": is_due and time.time_ns() > found.answer_until_ns,
        "handled_by": found.handled_by,
        "changed_at": format_time(found.changed_time_ns),
    }
