"""What becomes of credits by decisions: transfers to be accepted, freezes, exports and imports."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from sqlalchemy import or_, select
from sqlalchemy.orm import Session
from starlette.responses import Response

from api import registry_requests as requests
from api import registry_work_requests as work_requests
from api.auth import Caller, caller, require_role, require_scope
from api.errors import Problem
from api.gateway import Gateway, gateway
from api.schemas import Page, page, parse_quantity
from api.strict_json import json_body
from settlement import identity, incoming, registry_views, set_aside
from settlement.blocks import Criteria
from settlement.set_aside import End
from settlement.tables.registry import Batch, Operation

router = APIRouter(prefix="/registry", tags=["registry"])

Exchange = Annotated[Gateway, Depends(gateway)]
Terms = Annotated[requests.Terms, Depends(requests.terms)]
Registrar = Annotated[Caller, Depends(require_role("registry"))]
Holder = Annotated[Caller, Depends(require_scope("settle"))]
Reader = Annotated[Caller, Depends(caller)]
Wanted = Annotated[Page, Depends(page)]


@router.get("/transfers")
def transfers(known: Reader, exchange: Exchange, wanted: Wanted) -> dict[str, Any]:
    """Transfers to be accepted that the account sent or received, newest first."""
    return _set_aside(exchange, known, wanted, set_aside.TRANSFER_REQUEST)


@router.post("/transfers/{transfer_id}/accept", status_code=201)
def accept(transfer_id: str, known: Holder, exchange: Exchange, terms: Terms) -> Response:
    """Take the credits that another account offers."""
    return _decide(exchange, known, terms, transfer_id, ("transfer_accept", set_aside.ACCEPTANCE))


@router.post("/transfers/{transfer_id}/reject", status_code=201)
def reject(transfer_id: str, known: Holder, exchange: Exchange, terms: Terms) -> Response:
    """Leave the credits that another account offers to it."""
    return _decide(exchange, known, terms, transfer_id, ("transfer_reject", set_aside.REJECTION))


@router.post("/transfers/{transfer_id}/cancel", status_code=201)
def cancel(transfer_id: str, known: Holder, exchange: Exchange, terms: Terms) -> Response:
    """Take an offer back that has not been accepted."""
    return _decide(exchange, known, terms, transfer_id, ("transfer_cancel", set_aside.RETRACTION))


@router.post("/cancellations", status_code=201)
def cancel_credits(
    body: Annotated[
        work_requests.CancellationBody, Depends(json_body(work_requests.CancellationBody))
    ],
    known: Holder,
    exchange: Exchange,
    terms: Terms,
) -> Response:
    """End credits for good without a use; nobody can claim them."""
    requests.parse_text(body.reason, "reason")
    prepare = set_aside.cancellation(parse_quantity(body.quantity), body.batch_id)
    return requests.perform(exchange, known, "cancellation", body, prepare, asked=terms)


@router.post("/freezes", status_code=201)
def freeze(
    body: Annotated[work_requests.FreezeBody, Depends(json_body(work_requests.FreezeBody))],
    known: Registrar,
    exchange: Exchange,
    terms: Terms,
) -> Response:
    """Keep an account's credits from any use, those outside custody first."""
    if (body.symbol is None) == (body.batch_id is None):
        raise Problem(
            "invalid_request",
            "Name a symbol or a batch.",
            detail_zh="请指定交易品种或批次之一。",
            field="symbol",
        )
    requests.parse_text(body.reason, "reason")
    with exchange.database.read() as session:
        holder = identity.account_number(session, body.account)
    criteria = Criteria(() if body.symbol is None else (body.symbol,), body.batch_id)
    prepare = work_requests.audited(
        set_aside.freeze(parse_quantity(body.quantity), criteria),
        known.username,
        "credits_frozen",
        {"account": body.account, "quantity": body.quantity, "reason": body.reason},
    )
    acting, asked = work_requests.on_behalf(known, holder, terms)
    return requests.perform(exchange, acting, "freeze", body, prepare, asked=asked)


@router.post("/freezes/{freeze_id}/release", status_code=201)
def unfreeze(freeze_id: str, known: Registrar, exchange: Exchange, terms: Terms) -> Response:
    """Give frozen credits back to their account, outside custody."""
    return _rule(exchange, known, terms, freeze_id, ("unfreeze", set_aside.THAW))


@router.post("/freezes/{freeze_id}/cancel", status_code=201)
def forfeit(freeze_id: str, known: Registrar, exchange: Exchange, terms: Terms) -> Response:
    """Cancel frozen credits for good, such as what was issued in error."""
    return _rule(exchange, known, terms, freeze_id, ("freeze_cancel", set_aside.FORFEIT))


@router.get("/freezes")
def freezes(known: Reader, exchange: Exchange, wanted: Wanted) -> dict[str, Any]:
    """Freezes of the account's credits; the registrar sees all of them."""
    return _set_aside(exchange, known, wanted, set_aside.FREEZE)


@router.post("/exports", status_code=201)
def export(
    body: Annotated[work_requests.ExportBody, Depends(json_body(work_requests.ExportBody))],
    known: Holder,
    exchange: Exchange,
    terms: Terms,
) -> Response:
    """Send credits to another registry; they are set aside until it confirms them."""
    requests.parse_code(body.to_registry, "to_registry")
    requests.parse_text(body.to_account, "to_account", requests.MAX_NAME)
    prepare = set_aside.export(parse_quantity(body.quantity), body.batch_id)
    return requests.perform(exchange, known, "export", body, prepare, asked=terms)


@router.get("/exports")
def exports(known: Reader, exchange: Exchange, wanted: Wanted) -> dict[str, Any]:
    """The account's exports and what became of them; the registrar sees all of them."""
    return _set_aside(exchange, known, wanted, set_aside.EXPORT)


@router.post("/exports/{export_id}/confirm", status_code=201)
def confirm_export(export_id: str, known: Registrar, exchange: Exchange, terms: Terms) -> Response:
    """Note that a registry which does not answer by itself has taken the credits."""
    _refuse_if_answered(exchange, export_id)
    return _rule(exchange, known, terms, export_id, ("export_confirm", set_aside.ARRIVAL))


@router.post("/exports/{export_id}/return", status_code=201)
def return_export(export_id: str, known: Registrar, exchange: Exchange, terms: Terms) -> Response:
    """Note that a registry which does not answer by itself has not taken the credits."""
    _refuse_if_answered(exchange, export_id)
    return _rule(exchange, known, terms, export_id, ("export_return", set_aside.RETURN))


@router.post("/exports/{export_id}/reimport", status_code=201)
def reimport(export_id: str, known: Registrar, exchange: Exchange, terms: Terms) -> Response:
    """Take exported credits back that the other registry has returned, as they left."""
    holder = _holder(exchange, export_id, set_aside.EXPORT)
    prepare = work_requests.audited(
        set_aside.come_home(export_id), known.username, "credits_reimported", {"id": export_id}
    )
    acting, asked = work_requests.on_behalf(known, holder, terms)
    body = work_requests.DecisionBody(decided_id=export_id)
    return requests.perform(exchange, acting, "reimport", body, prepare, asked=asked)


@router.post("/imports", status_code=201)
def import_block(
    body: Annotated[work_requests.ImportBody, Depends(json_body(work_requests.ImportBody))],
    known: Registrar,
    exchange: Exchange,
) -> dict[str, Any]:
    """Take a serial block of another registry in; the same transfer again is the same batch."""
    first_day = requests.parse_day(body.first_day, "first_day")
    last_day = requests.parse_day(body.last_day, "last_day")
    assert first_day is not None
    assert last_day is not None
    fields: dict[str, Any] = {
        "registry": requests.parse_code(body.registry, "registry"),
        "transfer_id": requests.parse_code(body.transfer_id, "transfer_id"),
        "project_id": body.project_id,
        "vintage": requests.parse_year(body.vintage, "vintage"),
        "first_number": parse_quantity(body.first_number, "first_number"),
        "last_number": parse_quantity(body.last_number, "last_number"),
        "serial_template": work_requests.parse_template(body.serial_template),
        "source": requests.parse_text(body.source, "source", 128),
        "first_day": first_day,
        "last_day": last_day,
    }

    def work(session: Session) -> Batch:
        account = identity.account_number(session, body.account)
        batch = incoming.take_in(session, incoming.Incoming(account=account, **fields))
        identity.audit(session, known.username, "batch_imported", {"batch_id": batch.batch_id})
        return batch

    return registry_views.show_batch(exchange.database.write(work).result())


def _decide(
    exchange: Gateway, known: Caller, asked: requests.Terms, decided_id: str, how: tuple[str, End]
) -> Response:
    """The account's own decision on what was set aside."""
    kind, end = how
    body = work_requests.DecisionBody(decided_id=decided_id)
    prepare = set_aside.end(decided_id, end)
    return requests.perform(exchange, known, kind, body, prepare, asked=asked)


def _rule(
    exchange: Gateway, known: Caller, asked: requests.Terms, decided_id: str, how: tuple[str, End]
) -> Response:
    """The registrar's decision on what was set aside of somebody's."""
    kind, end = how
    holder = _holder(exchange, decided_id, end.kind)
    prepare = work_requests.audited(
        set_aside.end(decided_id, end), known.username, kind, {"id": decided_id}
    )
    acting, asked = work_requests.on_behalf(known, holder, asked)
    body = work_requests.DecisionBody(decided_id=decided_id)
    return requests.perform(exchange, acting, kind, body, prepare, asked=asked)


def _holder(exchange: Gateway, decided_id: str, kind: str) -> int:
    with exchange.database.read() as session:
        return set_aside.find(session, decided_id, kind).account


def _refuse_if_answered(exchange: Gateway, export_id: str) -> None:
    """Two who decide could both let the credits live, here and there."""
    with exchange.database.read() as session:
        known = set_aside.find(session, export_id, set_aside.EXPORT)
    if known.body["to_registry"] in exchange.settings.outside_registries:
        raise Problem(
            "conflict",
            "That registry answers by itself.",
            detail_zh="该登记系统自动应答，不得人工处理。",
        )


def _set_aside(exchange: Gateway, known: Caller, wanted: Page, kind: str) -> dict[str, Any]:
    statement = select(Operation).where(
        Operation.kind == kind, Operation.status.in_(("pending", "completed"))
    )
    sees_all = kind != set_aside.TRANSFER_REQUEST and known.roles & {"registry", "auditor"}
    if not sees_all:
        own = or_(Operation.account == known.account, Operation.counterparty == known.account)
        statement = statement.where(own)
    with exchange.database.read() as session:
        rows, following = registry_views.page(
            session, statement, Operation.number, wanted.before, wanted.limit
        )
        items = set_aside.show(session, rows)
    return {"items": items, "next_cursor": following}
