"""How the registry comes to an issue: methodologies' versions, the pipeline, monitoring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import registry_requests as requests
from api import registry_work_requests as bodies
from api.auth import Caller, anyone, require_role
from api.gateway import Gateway, gateway
from api.schemas import Page, page, parse_quantity
from api.strict_json import json_body
from settlement import identity, methodologies, monitoring, registry, registry_views
from settlement.tables.registry import Project
from settlement.tables.registry_work import (
    MethodologyVersion,
    MethodologyVote,
    MonitoringReport,
)

router = APIRouter(tags=["registry"])

Exchange = Annotated[Gateway, Depends(gateway)]
Registrar = Annotated[Caller, Depends(require_role("registry"))]
_VERSION = "/registry/methodologies/{code}/versions/{version}"


@router.get("/methodologies/{code}", dependencies=[Depends(anyone)])
def methodology(code: str, exchange: Exchange) -> dict[str, Any]:
    """Every version of a methodology that went through the workflow, with its votes."""
    with exchange.database.read() as session:
        shown = registry_views.find_methodology(session, code)
        rows = methodologies.versions(session, code)
        return shown | {"versions": [methodologies.show(session, row) for row in rows]}


@router.post("/registry/methodologies/{code}/versions", status_code=201)
def draft(
    code: str,
    body: Annotated[bodies.VersionBody, Depends(json_body(bodies.VersionBody))],
    known: Registrar,
    exchange: Exchange,
) -> dict[str, Any]:
    """Begin a version of a methodology, which may be new."""
    new = methodologies.Draft(
        requests.parse_code(code, "code"),
        requests.parse_code(body.version, "version"),
        requests.parse_text(body.title, "title", requests.MAX_NAME),
        requests.parse_text(body.summary, "summary"),
    )
    return _change(
        exchange,
        known,
        "methodology_drafted",
        lambda session: methodologies.draft(session, new, known.username),
    )


@router.post(_VERSION + "/submit")
def submit(code: str, version: str, known: Registrar, exchange: Exchange) -> dict[str, Any]:
    """Hand a draft in for review."""
    return _change(
        exchange,
        known,
        "methodology_submitted",
        lambda session: methodologies.submit(session, code, version),
    )


@router.post(_VERSION + "/review")
def review(
    code: str,
    version: str,
    body: Annotated[bodies.ReviewBody, Depends(json_body(bodies.ReviewBody))],
    known: Annotated[Caller, Depends(require_role("registry", "operator"))],
    exchange: Exchange,
) -> dict[str, Any]:
    """Write the review's findings down and open the vote; not for the draft's author."""
    findings = requests.parse_text(body.findings, "findings")
    return _change(
        exchange,
        known,
        "methodology_reviewed",
        lambda session: methodologies.review(session, code, version, findings, known.username),
    )


@router.post(_VERSION + "/votes")
def vote(
    code: str,
    version: str,
    body: Annotated[bodies.VoteBody, Depends(json_body(bodies.VoteBody))],
    known: Registrar,
    exchange: Exchange,
) -> dict[str, Any]:
    """Record an expert's vote; each has one."""
    ballot = MethodologyVote(
        expert=requests.parse_text(body.expert, "expert", requests.MAX_NAME),
        choice=body.choice,
        reason=None if body.reason is None else requests.parse_text(body.reason, "reason"),
        recorded_by=known.username,
    )
    return _change(
        exchange,
        known,
        "methodology_vote",
        lambda session: methodologies.vote(session, code, version, ballot),
    )


@router.post(_VERSION + "/decision")
def decide(code: str, version: str, known: Registrar, exchange: Exchange) -> dict[str, Any]:
    """Close the vote: two thirds of those for or against record the version."""
    return _change(
        exchange,
        known,
        "methodology_decided",
        lambda session: methodologies.decide(session, code, version),
    )


@router.post("/registry/methodologies/{code}/withdraw")
def withdraw(code: str, known: Registrar, exchange: Exchange) -> dict[str, Any]:
    """Take a methodology out of force; its projects go on, new ones are refused."""

    def work(session: Session) -> dict[str, Any]:
        identity.audit(session, known.username, "methodology_withdrawn", {"code": code})
        return registry_views.show_methodology(methodologies.withdraw(session, code))

    return exchange.database.write(work).result()


@router.get("/projects/regions", dependencies=[Depends(anyone)])
def regions(exchange: Exchange) -> dict[str, Any]:
    """How many projects of which stage each region has, and what they have issued."""
    with exchange.database.read() as session:
        return {"items": registry_views.regions(session), "next_cursor": None}


@router.get("/projects/{project_id}", dependencies=[Depends(anyone)])
def project(project_id: str, exchange: Exchange) -> dict[str, Any]:
    """One project with its monitoring reports."""
    with exchange.database.read() as session:
        shown = registry_views.find_project(session, project_id)
        reports = session.scalars(
            select(MonitoringReport)
            .where(MonitoringReport.project_id == project_id)
            .order_by(MonitoringReport.number.desc())
        )
        return shown | {"reports": [monitoring.show(report) for report in reports]}


@router.put("/registry/projects/{project_id}/stage")
def set_stage(
    project_id: str,
    body: Annotated[bodies.StageBody, Depends(json_body(bodies.StageBody))],
    known: Registrar,
    exchange: Exchange,
) -> dict[str, Any]:
    """Move a project along the pipeline: listed, validated, registered, closed."""

    def work(session: Session) -> Project:
        subject = {"project_id": project_id, "stage": body.stage}
        identity.audit(session, known.username, "project_stage", subject)
        return registry.set_stage(session, project_id, body.stage)

    return registry_views.show_project(exchange.database.write(work).result())


@router.post("/registry/projects/{project_id}/monitoring", status_code=201)
def report(
    project_id: str,
    body: Annotated[bodies.MonitoringBody, Depends(json_body(bodies.MonitoringBody))],
    known: Registrar,
    exchange: Exchange,
) -> dict[str, Any]:
    """Report what a project reduced; a reduction that anybody claimed before is refused."""
    first_day = requests.parse_day(body.first_day, "first_day")
    last_day = requests.parse_day(body.last_day, "last_day")
    assert first_day is not None
    assert last_day is not None
    new = monitoring.NewReport(
        project_id,
        requests.parse_text(body.source, "source", 128),
        first_day,
        last_day,
        parse_quantity(body.quantity),
    )

    def work(session: Session) -> MonitoringReport:
        made = monitoring.submit(session, new)
        subject = {"report_id": made.report_id, "project_id": project_id}
        identity.audit(session, known.username, "monitoring_reported", subject)
        return made

    return monitoring.show(exchange.database.write(work).result())


@router.post("/registry/monitoring/{report_id}/verification")
def verify(
    report_id: str,
    body: Annotated[bodies.VerificationBody, Depends(json_body(bodies.VerificationBody))],
    known: Registrar,
    exchange: Exchange,
) -> dict[str, Any]:
    """Write down what the verifier found; batches are issued up to that."""
    verifier = requests.parse_text(body.verifier, "verifier", requests.MAX_NAME)
    quantity = 0 if body.quantity == "0" else parse_quantity(body.quantity)

    def work(session: Session) -> MonitoringReport:
        subject = {"report_id": report_id, "quantity": body.quantity}
        identity.audit(session, known.username, "monitoring_verified", subject)
        return monitoring.verify(session, report_id, verifier, quantity)

    return monitoring.show(exchange.database.write(work).result())


@router.get("/registry/batches/{batch_id}/lineage", dependencies=[Depends(anyone)])
def lineage(
    batch_id: str, exchange: Exchange, wanted: Annotated[Page, Depends(page)]
) -> dict[str, Any]:
    """Every change of every serial of a batch since its issue, without who held it."""
    with exchange.database.read() as session:
        items, following = registry_views.lineage(session, batch_id, wanted.before, wanted.limit)
    return {"items": items, "next_cursor": following}


def _change(
    exchange: Gateway,
    known: Caller,
    action: str,
    change: Callable[[Session], MethodologyVersion],
) -> dict[str, Any]:
    """One step of a version, in one transaction with its entry in the audit."""

    def work(session: Session) -> dict[str, Any]:
        row = change(session)
        subject = {"code": row.methodology, "version": row.version}
        identity.audit(session, known.username, action, subject)
        session.flush()
        return methodologies.show(session, row)

    return exchange.database.write(work).result()
