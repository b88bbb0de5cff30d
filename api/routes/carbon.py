"""Carbon accounts of organisations and persons, points, and batches of many persons' acts."""

from __future__ import annotations

import time
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from api import carbon_requests as bodies
from api import registry_requests as requests
from api.auth import Caller, anyone, caller, require_role, require_scope
from api.errors import Problem
from api.gateway import Gateway, gateway
from api.registry_requests import IdempotencyKey
from api.routes.orders import json_response
from api.schemas import Page, page
from api.strict_json import json_body
from settlement import (
    carbon,
    certificate_signatures,
    identity,
    points,
    points_rules,
    registry_views,
)
from settlement.statement_pdf import statement_pdf
from settlement.tables.carbon import CarbonEntry, PersonalAccount, PointsEntry, SceneReport

router = APIRouter(tags=["carbon"])

Exchange = Annotated[Gateway, Depends(gateway)]
Registrar = Annotated[Caller, Depends(require_role("registry"))]
Holder = Annotated[Caller, Depends(require_scope("settle"))]
Reader = Annotated[Caller, Depends(caller)]
Wanted = Annotated[Page, Depends(page)]
Year = Annotated[int, Query(ge=1990, le=2099)]


@router.post("/carbon/entries", status_code=201)
def add_entry(
    body: Annotated[bodies.EntryBody, Depends(json_body(bodies.EntryBody))],
    known: Holder,
    exchange: Exchange,
    idempotency_key: IdempotencyKey = None,
) -> dict[str, Any]:
    """State what the organisation emitted or reduced in a year."""
    new = carbon.NewEntry(
        requests.parse_year(body.year, "year"),
        body.kind,
        requests.parse_code(body.category, "category"),
        bodies.parse_milli(body.quantity, "quantity"),
        requests.parse_text(body.evidence, "evidence"),
        bodies.parse_number(body.replaces, "replaces"),
    )
    return exchange.database.write(
        lambda session: carbon.show_entry(
            carbon.add_entry(session, known.account, new, idempotency_key)
        )
    ).result()


@router.get("/carbon/entries")
def entries(known: Reader, exchange: Exchange, wanted: Wanted) -> dict[str, Any]:
    """The account's entries, newest first, those that were replaced too."""
    own = select(CarbonEntry).where(CarbonEntry.account == known.account)
    with exchange.database.read() as session:
        rows, following = registry_views.page(
            session, own, CarbonEntry.number, wanted.before, wanted.limit
        )
        return {"items": [carbon.show_entry(row) for row in rows], "next_cursor": following}


@router.get("/carbon/account")
def account(known: Reader, exchange: Exchange, year: Year) -> dict[str, Any]:
    """The organisation's year: emissions, reductions, what was retired for it, what is left."""
    with exchange.database.read() as session:
        return carbon.summary(session, known.account, year)


@router.get("/carbon/statement")
def statement(
    known: Reader,
    exchange: Exchange,
    year: Year,
    accept: Annotated[str, Header()] = "application/json",
) -> Response:
    """A signed statement of the year and the credits held; a PDF if Accept asks for it."""
    with exchange.database.read() as session:
        content = carbon.statement(session, known.account, year, time.time_ns())
    document = certificate_signatures.sign(exchange.certificate_key, content)
    if "application/pdf" not in accept.lower():
        return json_response(document)
    name = f"carbon-statement-{known.account_code}-{year}.pdf"
    return Response(
        statement_pdf(document),
        media_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{name}"'},
    )


@router.put("/carbon/person")
def set_consent(
    body: Annotated[bodies.ConsentBody, Depends(json_body(bodies.ConsentBody))],
    known: Holder,
    exchange: Exchange,
) -> dict[str, Any]:
    """Open the personal carbon account, or change whether its acts may enter a batch."""

    def work(session: Session) -> dict[str, Any]:
        consents = body.consents_to_aggregation
        points.set_consent(session, known.account, consents=consents)
        identity.audit(session, known.username, "carbon_consent", {"consents": consents})
        return _show_person(session, known)

    return exchange.database.write(work).result()


@router.get("/carbon/person")
def person(known: Reader, exchange: Exchange) -> dict[str, Any]:
    """The personal carbon account: consent, reductions, points."""
    with exchange.database.read() as session:
        return _show_person(session, known)


@router.get("/carbon/acts")
def acts(known: Reader, exchange: Exchange, wanted: Wanted) -> dict[str, Any]:
    """What was reported of the person, newest first."""
    own = select(SceneReport).where(SceneReport.account == known.account)
    with exchange.database.read() as session:
        rows, following = registry_views.page(
            session, own, SceneReport.number, wanted.before, wanted.limit
        )
        return {"items": [points.show_report(row) for row in rows], "next_cursor": following}


@router.get("/points/rules", dependencies=[Depends(anyone)])
def rules() -> dict[str, Any]:
    """All versions of the rules by which acts become reductions and points, newest first."""
    items = [each.model_dump(mode="json") for each in points_rules.versions()]
    return {"items": items, "next_cursor": None}


@router.post("/points/reports", status_code=201)
def report(
    body: Annotated[bodies.ActsBody, Depends(json_body(bodies.ActsBody))],
    known: Holder,
    exchange: Exchange,
) -> dict[str, Any]:
    """Report what persons did, as a scene's operator; the same act again is the same act."""
    if not 1 <= len(body.acts) <= bodies.MAX_ACTS:
        raise Problem(
            "invalid_request",
            f"1 to {bodies.MAX_ACTS} acts are needed.",
            detail_zh=f"每次须上报 1 至 {bodies.MAX_ACTS} 项。",
            field="acts",
        )

    def work(session: Session) -> list[dict[str, Any]]:
        found = [
            points.Act(
                requests.parse_code(act.act_id, "act_id"),
                identity.account_number(session, act.account),
                bodies.parse_act_day(act.day),
                bodies.parse_milli(act.amount, "amount"),
            )
            for act in body.acts
        ]
        rows = points.report(session, known.account, body.scene, found)
        return [points.show_report(row) for row in rows]

    return {"items": exchange.database.write(work).result(), "next_cursor": None}


@router.get("/points/entries")
def points_entries(known: Reader, exchange: Exchange, wanted: Wanted) -> dict[str, Any]:
    """Points earned and spent, newest first."""
    own = select(PointsEntry).where(PointsEntry.account == known.account)
    with exchange.database.read() as session:
        rows, following = registry_views.page(
            session, own, PointsEntry.number, wanted.before, wanted.limit
        )
        return {"items": [points.show_entry(row) for row in rows], "next_cursor": following}


@router.post("/points/redemptions", status_code=201)
def redeem(
    body: Annotated[bodies.RedemptionBody, Depends(json_body(bodies.RedemptionBody))],
    known: Holder,
    exchange: Exchange,
    idempotency_key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Spend points on one of the rules' rewards."""
    key = idempotency_key or str(uuid.uuid4())
    return exchange.database.write(
        lambda session: points.show_entry(points.redeem(session, known.account, body.reward, key))
    ).result()


@router.put("/registry/scenes/{scene}/operators/{operator}")
def allow(scene: str, operator: str, known: Registrar, exchange: Exchange) -> dict[str, Any]:
    """Let an account report the acts of a scene."""
    return _allow(exchange, known, scene, operator, allowed=True)


@router.delete("/registry/scenes/{scene}/operators/{operator}")
def disallow(scene: str, operator: str, known: Registrar, exchange: Exchange) -> dict[str, Any]:
    """Take no more of an account's reports of a scene."""
    return _allow(exchange, known, scene, operator, allowed=False)


@router.post("/registry/aggregations", status_code=201)
def aggregate(
    body: Annotated[bodies.AggregationBody, Depends(json_body(bodies.AggregationBody))],
    known: Registrar,
    exchange: Exchange,
    idempotency_key: IdempotencyKey = None,
) -> dict[str, Any]:
    """Make a batch of what consenting persons did in a year; what is no whole tonne is carried."""
    wanted = points.Wanted(
        body.project_id,
        requests.parse_year(body.year, "year"),
        tuple(body.scenes),
        requests.parse_prefix(body.serial_prefix),
        None if idempotency_key is None else f"{known.account}/{idempotency_key}",
    )

    def work(session: Session) -> dict[str, Any]:
        made = points.aggregate(session, wanted)
        identity.audit(session, known.username, "acts_aggregated", {"batch_id": made.batch_id})
        return {
            "batch_id": made.batch_id,
            "project_id": made.project_id,
            "year": made.year,
            "persons": made.persons,
            "acts": made.reports,
            "reduction_kg": points.format_milli(made.reduction_grams),
            "brought_kg": points.format_milli(made.brought_grams),
            "carried_kg": points.format_milli(made.carried_grams),
        }

    return exchange.database.write(work).result()


def _allow(
    exchange: Gateway, known: Caller, scene: str, operator: str, *, allowed: bool
) -> dict[str, Any]:
    def work(session: Session) -> None:
        points.allow(session, scene, identity.account_number(session, operator), allowed=allowed)
        subject = {"scene": scene, "account": operator, "allowed": allowed}
        identity.audit(session, known.username, "scene_operator", subject)

    exchange.database.write(work).result()
    return {"scene": scene, "account": operator, "allowed": allowed}


def _show_person(session: Session, known: Caller) -> dict[str, Any]:
    found = session.get(PersonalAccount, known.account)
    if found is None:
        raise Problem(
            "not_found",
            "There is no personal carbon account yet.",
            detail_zh="尚未开立个人碳账户。",
        )
    return {
        "account": known.account_code,
        "consents_to_aggregation": found.consents,
        "reduction_kg": points.format_milli(points.reduction_grams(session, known.account)),
        "points": points.balance(session, known.account),
    }
