"""What is sent for methodologies, monitoring, freezes and other registries, and how it is read."""

from __future__ import annotations

import hashlib
from typing import Literal

from sqlalchemy.orm import Session

from api.auth import Caller
from api.errors import Problem
from api.registry_requests import Terms
from api.schemas import Body
from settlement import identity
from settlement.operations import Plan, Prepare, Request


class VersionBody(Body):
    """POST /v1/registry/methodologies/{code}/versions."""

    version: str
    title: str
    summary: str


class ReviewBody(Body):
    """POST .../versions/{version}/review."""

    findings: str


class VoteBody(Body):
    """POST .../versions/{version}/votes: an expert's vote, as the committee's minutes say."""

    expert: str
    choice: Literal["approve", "reject", "abstain"]
    reason: str | None = None


class StageBody(Body):
    """PUT /v1/registry/projects/{project_id}/stage."""

    stage: Literal["listed", "validated", "registered", "closed"]


class MonitoringBody(Body):
    """POST /v1/registry/projects/{project_id}/monitoring; both days are included.

    `source` is what reduced, by the name that every platform gives it.
    """

    source: str
    first_day: str
    last_day: str
    quantity: str


class VerificationBody(Body):
    """POST /v1/registry/monitoring/{report_id}/verification; quantity 0 rejects it."""

    verifier: str
    quantity: str


class FreezeBody(Body):
    """POST /v1/registry/freezes: of a symbol, or of one batch."""

    account: str
    quantity: str
    reason: str
    symbol: str | None = None
    batch_id: str | None = None


class CancellationBody(Body):
    """POST /v1/registry/cancellations."""

    quantity: str
    batch_id: str
    reason: str


class ExportBody(Body):
    """POST /v1/registry/exports; `to_account` is the account in the other registry."""

    quantity: str
    batch_id: str
    to_registry: str
    to_account: str


class ImportBody(Body):
    """POST /v1/registry/imports: a serial block of another registry.

    `serial_template` is a serial there with {number} where its number stands.
    """

    registry: str
    transfer_id: str
    project_id: str
    account: str
    vintage: int | str
    first_number: str
    last_number: str
    serial_template: str
    source: str
    first_day: str
    last_day: str


class DecisionBody(Body):
    """What identifies a decision for its idempotency key; nothing is sent."""

    decided_id: str


def parse_template(text: str) -> str:
    """A serial with {number} in it. Raises Problem."""
    before, found, after = text.partition("{number}")
    rest = before + after
    is_plain = rest.isascii() and rest.replace("-", "").replace("_", "").isalnum()
    if not found or not is_plain or len(text) > 200:
        raise Problem(
            "invalid_request",
            "Letters, digits and hyphens with {number} among them are needed.",
            detail_zh="须由字母、数字和连字符组成，并含有 {number}。",
            field="serial_template",
        )
    return text


def on_behalf(known: Caller, holder: int, asked: Terms) -> tuple[Caller, Terms]:
    """As if the registrar were the holder, whose operation it is; his keys stay his own.

    The blank keeps it apart from every key that a client can send.
    """
    if asked.idempotency_key is None:
        return known._replace(account=holder), asked
    text = f"{known.account}/{asked.idempotency_key}"
    key = " " + hashlib.sha256(text.encode()).hexdigest()
    return known._replace(account=holder), asked._replace(idempotency_key=key)


def audited(prepare: Prepare, actor: str, action: str, subject: dict[str, object]) -> Prepare:
    """The same operation, entered in the audit in the same transaction."""

    def prepare_and_audit(session: Session, request: Request) -> Plan:
        identity.audit(session, actor, action, subject)
        return prepare(session, request)

    return prepare_and_audit
