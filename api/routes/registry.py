"""The registry for those who have an account there: issues, custody, transfers, retirements."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from api import registry_requests as requests
from api.auth import Caller, caller, require_role, require_scope
from api.core_client import CoreUnavailable, ExecutionUnknown
from api.errors import Problem
from api.gateway import Gateway, gateway
from api.registry_requests import IdempotencyKey
from api.routes.orders import json_response
from api.schemas import Page, page, parse_quantity
from api.strict_json import json_body
from settlement import (
    certificates,
    custody,
    events,
    identity,
    operations,
    registry,
    registry_views,
    retirement,
    set_aside,
)
from settlement.blocks import Criteria
from settlement.certificate_pdf import certificate_pdf
from settlement.errors import Refused
from settlement.tables.registry import Batch, Methodology, Project, Retirement

router = APIRouter(prefix="/registry", tags=["registry"])

Exchange = Annotated[Gateway, Depends(gateway)]
Terms = Annotated[requests.Terms, Depends(requests.terms)]
Registrar = Annotated[Caller, Depends(require_role("registry"))]
Reader = Annotated[Caller, Depends(caller)]
Holder = Annotated[Caller, Depends(require_scope("settle"))]


@router.post("/methodologies", status_code=201)
def add_methodology(
    body: Annotated[requests.MethodologyBody, Depends(json_body(requests.MethodologyBody))],
    known: Registrar,
    exchange: Exchange,
) -> dict[str, Any]:
    """Record a methodology."""
    code = requests.parse_code(body.code, "code")
    title = requests.parse_text(body.title, "title", requests.MAX_NAME)
    version = requests.parse_code(body.version, "version")

    def work(session: Session) -> Methodology:
        identity.audit(session, known.username, "methodology_added", {"code": code})
        return registry.add_methodology(session, code, title, version, body.status)

    return registry_views.show_methodology(exchange.database.write(work).result())


@router.post("/projects", status_code=201)
def add_project(
    body: Annotated[requests.ProjectBody, Depends(json_body(requests.ProjectBody))],
    known: Registrar,
    exchange: Exchange,
) -> dict[str, Any]:
    """Register a project; its credits are issued to `account` and trade under `symbol`."""
    name = requests.parse_text(body.name, "name", requests.MAX_NAME)
    region = requests.parse_text(body.region, "region", 64)
    kind = requests.parse_text(body.type, "type", requests.MAX_NAME)
    if body.project_id is not None:
        requests.parse_code(body.project_id, "project_id")

    def work(session: Session) -> Project:
        if body.symbol is not None:
            custody.instrument_number(session, body.symbol)
        new = registry.NewProject(
            name=name,
            methodology=body.methodology,
            region=region,
            type=kind,
            account=identity.account_number(session, body.account),
            symbol=body.symbol,
            project_id=body.project_id,
            labels=body.labels or (),
            stage=body.stage,
        )
        project = registry.add_project(session, new)
        subject = {"project_id": project.project_id}
        identity.audit(session, known.username, "project_added", subject)
        return project

    return registry_views.show_project(exchange.database.write(work).result())


@router.put("/projects/{project_id}/labels")
def label_project(
    project_id: str,
    body: Annotated[requests.LabelsBody, Depends(json_body(requests.LabelsBody))],
    known: Registrar,
    exchange: Exchange,
) -> dict[str, Any]:
    """Say what is confirmed of a project, such as co2_only, in place of what was before."""

    def work(session: Session) -> Project:
        subject = {"project_id": project_id, "labels": body.labels}
        identity.audit(session, known.username, "project_labelled", subject)
        return registry.set_labels(session, project_id, body.labels)

    return registry_views.show_project(exchange.database.write(work).result())


@router.post("/batches", status_code=201)
def issue_batch(
    body: Annotated[requests.IssueBody, Depends(json_body(requests.IssueBody))],
    known: Registrar,
    exchange: Exchange,
    idempotency_key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Issue a block of serial numbers to the project's account."""
    new = registry.NewBatch(
        project_id=body.project_id,
        vintage=requests.parse_year(body.vintage, "vintage"),
        quantity=parse_quantity(body.quantity),
        serial_prefix=requests.parse_prefix(body.serial_prefix),
        first_day=requests.parse_day(body.first_day, "first_day"),
        report_id=body.report_id,
        issue_key=None if idempotency_key is None else f"{known.account}/{idempotency_key}",
    )

    def work(session: Session) -> Batch:
        batch = registry.issue(session, new)
        subject = {"batch_id": batch.batch_id, "quantity": str(batch.quantity)}
        identity.audit(session, known.username, "batch_issued", subject)
        return batch

    return registry_views.show_batch(exchange.database.write(work).result())


@router.get("/holdings")
def holdings(
    known: Reader, exchange: Exchange, wanted: Annotated[Page, Depends(page)]
) -> dict[str, Any]:
    """The account's blocks, in its own keeping or in the exchange's custody."""
    with exchange.database.read() as session:
        items, following = registry_views.holdings(
            session, known.account, wanted.before, wanted.limit
        )
    return {"items": items, "next_cursor": following}


@router.post("/deposits", status_code=201)
def deposit(
    body: Annotated[requests.CustodyBody, Depends(json_body(requests.CustodyBody))],
    known: Holder,
    exchange: Exchange,
    terms: Terms,
) -> Response:
    """Bring credits into the exchange's custody, where they can be traded."""
    prepare = custody.deposit(body.symbol, parse_quantity(body.quantity), body.batch_id)
    return requests.perform(exchange, known, "deposit", body, prepare, asked=terms)


@router.post("/withdrawals", status_code=201)
def withdraw(
    body: Annotated[requests.CustodyBody, Depends(json_body(requests.CustodyBody))],
    known: Holder,
    exchange: Exchange,
    terms: Terms,
) -> Response:
    """Take credits out of the exchange's custody."""
    prepare = custody.withdrawal(body.symbol, parse_quantity(body.quantity), body.batch_id)
    return requests.perform(exchange, known, "withdrawal", body, prepare, asked=terms)


@router.post("/transfers", status_code=201)
def transfer(
    body: Annotated[requests.TransferBody, Depends(json_body(requests.TransferBody))],
    known: Holder,
    exchange: Exchange,
    terms: Terms,
) -> Response:
    """Give credits outside custody to another account, at once or once it has accepted them."""
    quantity = parse_quantity(body.quantity)
    if body.needs_acceptance:
        prepare = set_aside.transfer_request(body.to_account, quantity, body.batch_id)
        return requests.perform(exchange, known, "transfer_request", body, prepare, asked=terms)
    prepare = registry.transfer(body.to_account, quantity, body.batch_id)
    return requests.perform(exchange, known, "transfer", body, prepare, asked=terms)


@router.post("/pledges", status_code=201)
def pledge(
    body: Annotated[requests.PledgeBody, Depends(json_body(requests.PledgeBody))],
    known: Holder,
    exchange: Exchange,
    terms: Terms,
) -> Response:
    """Set credits aside as a security."""
    prepare = registry.pledge(parse_quantity(body.quantity), body.batch_id)
    return requests.perform(exchange, known, "pledge", body, prepare, asked=terms)


@router.post("/pledges/{pledge_id}/release", status_code=201)
def release(
    pledge_id: str,
    known: Holder,
    exchange: Exchange,
    terms: Terms,
) -> Response:
    """End a pledge."""
    body = requests.ReleaseBody(pledge_id=pledge_id)
    prepare = registry.release(pledge_id)
    return requests.perform(exchange, known, "release", body, prepare, asked=terms)


@router.post("/retirements", status_code=201)
def retire(
    body: Annotated[requests.RetirementBody, Depends(json_body(requests.RetirementBody))],
    known: Holder,
    exchange: Exchange,
    terms: Terms,
) -> Response:
    """Use credits for good, those outside custody first, and get a certificate."""
    if (body.symbol is None) == (body.batch_id is None):
        raise Problem("invalid_request", "Name a symbol or a batch.", field="symbol")
    if body.symbol is not None:
        exchange.instruments.get(body.symbol)
    if body.event_id is not None:
        requests.parse_code(body.event_id, "event_id")
        with exchange.database.read() as session:
            events.check_retirement(session, known.account, body.event_id)
    prepare = retirement.retirement(
        parse_quantity(body.quantity),
        Criteria(() if body.symbol is None else (body.symbol,), body.batch_id),
        beneficiary=requests.parse_text(body.beneficiary, "beneficiary"),
        reason=requests.parse_text(body.reason, "reason"),
        event_id=body.event_id,
    )
    return requests.perform(exchange, known, "retirement", body, prepare, asked=terms)


@router.get("/certificates")
def own_certificates(
    known: Reader, exchange: Exchange, wanted: Annotated[Page, Depends(page)]
) -> dict[str, Any]:
    """The account's own retirements, newest first."""
    own = select(Retirement).where(Retirement.account == known.account)
    with exchange.database.read() as session:
        rows, following = registry_views.page(
            session, own, Retirement.number, wanted.before, wanted.limit
        )
        items = certificates.certificate_list(session, rows)
    return {"items": items, "next_cursor": following}


@router.get("/retirements/{certificate_id}")
def certificate(
    certificate_id: str,
    known: Reader,
    exchange: Exchange,
    accept: Annotated[str, Header()] = "application/json",
) -> Response:
    """The account's certificate; as a PDF if that is what Accept asks for."""
    with exchange.database.read() as session:
        found = certificates.find(session, certificate_id)
        if found.account != known.account and not known.roles & {"registry", "auditor"}:
            raise Problem("not_found", "There is no such certificate.")
        content = certificates.certificate(session, found)
    if "application/pdf" not in accept.lower():
        return json_response(content)
    return Response(
        certificate_pdf(content),
        media_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{found.certificate_id}.pdf"'},
    )


@router.get("/operations/{operation_id}")
def operation(operation_id: str, known: Reader, exchange: Exchange) -> dict[str, Any]:
    """What became of an operation; one whose outcome was unknown is brought to its end."""
    shown = requests.show_operation(exchange, known, operation_id)
    if shown["status"] in ("completed", "refused"):
        return shown
    with suppress(Refused, CoreUnavailable, ExecutionUnknown):
        operations.execute(exchange.database, exchange.sync_core, operation_id)
    return requests.show_operation(exchange, known, operation_id)
