"""Compliance: schemes, obligations, what they leave, surrenders, alerts and shortfalls."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query
from sqlalchemy.orm import Session
from starlette.responses import Response

from api import compliance_requests as requests
from api import registry_requests
from api.auth import Caller, anyone, require_role
from api.compliance_requests import ForAccount, ForScheme, ForYear
from api.errors import Problem, from_refused
from api.gateway import Gateway, gateway
from api.messages import preferred_language
from api.registry_requests import Terms, parse_text, parse_year
from api.routes.orders import json_response
from api.schemas import Page, page, parse_quantity
from api.strict_json import json_body
from settlement import compliance, compliance_alerts, compliance_preview, compliance_views
from settlement.blocks import Criteria
from settlement.compliance_views import Wanted

router = APIRouter(tags=["compliance"])

Exchange = Annotated[Gateway, Depends(gateway)]
Part = Annotated[Page, Depends(page)]
Firm = Annotated[Caller, Depends(require_role("compliance"))]
Operator = Annotated[Caller, Depends(require_role("operator"))]
Overseer = Annotated[Caller, Depends(require_role("operator", "auditor"))]
Reader = Annotated[Caller, Depends(require_role("compliance", "operator", "auditor"))]


@router.get("/schemes", dependencies=[Depends(anyone)])
def schemes(wanted: Part, scheme: ForScheme = None, year: ForYear = None) -> dict[str, Any]:
    """Every scheme's rule for each open compliance year, or for its last one; newest first."""
    asked = None if year is None else parse_year(year, "year")
    items = [
        item
        for item in compliance_views.show_schemes(time.time_ns())
        if scheme in (None, item["scheme"]) and asked in (None, item["year"])
    ]
    first = 0 if wanted.cursor is None else int(wanted.cursor)
    following = first + wanted.limit
    return {
        "items": items[first:following],
        "next_cursor": str(following) if following < len(items) else None,
    }


@router.get("/compliance/headroom")
def headroom(
    scheme: str,
    known: Firm,
    exchange: Exchange,
    year: Annotated[str | None, Query()] = None,
) -> dict[str, Any]:
    """What may still be bought or surrendered under a scheme; without a year, the oldest open."""
    wanted = None if year is None else parse_year(year, "year")
    return compliance_views.headroom(
        exchange.database, exchange.sync_core, known.account, scheme, wanted
    )


@router.get("/compliance/obligations")
def obligations(  # noqa: PLR0917 - a filter each
    known: Reader,
    exchange: Exchange,
    wanted: Part,
    account: ForAccount = None,
    scheme: ForScheme = None,
    year: ForYear = None,
) -> dict[str, Any]:
    """What is owed and where it stands, newest first; for operators and auditors, everybody's."""
    items, following = compliance_views.obligations(
        exchange.database,
        exchange.sync_core,
        requests.wanted(exchange, known, account, scheme, year),
        wanted.before,
        wanted.limit,
    )
    return {"items": items, "next_cursor": following}


@router.post("/compliance/obligations", status_code=201)
def oblige(
    body: Annotated[requests.ObligationBody, Depends(json_body(requests.ObligationBody))],
    known: Operator,
    exchange: Exchange,
) -> dict[str, Any]:
    """Lay down what an account owes for a year; its cap follows by the scheme's ratio."""
    obligation_quantity = body.obligation_quantity
    number = compliance.set_obligation(
        exchange.database,
        exchange.sync_core,
        account=body.account,
        scheme=body.scheme,
        year=parse_year(body.year, "year"),
        base_quantity=parse_quantity(body.base_quantity, "base_quantity"),
        obligation_quantity=None
        if obligation_quantity is None
        else requests.parse_tonnes(obligation_quantity, "obligation_quantity"),
        actor=known.username,
    )
    return _show(exchange, number)


@router.patch("/compliance/obligations/{obligation_id}")
def report(
    obligation_id: str,
    body: Annotated[requests.ReportBody, Depends(json_body(requests.ReportBody))],
    known: Operator,
    exchange: Exchange,
) -> dict[str, Any]:
    """Record what happened elsewhere: allowances that were surrendered, a penalty."""
    number = requests.parse_number(obligation_id)
    allowances = body.allowances_surrendered
    news = compliance.Report(
        None if allowances is None else requests.parse_tonnes(allowances, "allowances_surrendered"),
        body.penalised,
        parse_text(body.reason, "reason"),
    )

    def work(session: Session) -> None:
        compliance.report(session, number, news, actor=known.username)

    exchange.database.write(work).result()
    return _show(exchange, number)


@router.get("/compliance/surrenders")
def surrenders(  # noqa: PLR0917 - a filter each
    known: Reader,
    exchange: Exchange,
    wanted: Part,
    account: ForAccount = None,
    scheme: ForScheme = None,
    year: ForYear = None,
) -> dict[str, Any]:
    """Certificates of what was surrendered, newest first; for overseers, everybody's."""
    asked = requests.wanted(exchange, known, account, scheme, year)
    with exchange.database.read() as session:
        items, following = compliance_views.surrenders(session, asked, wanted.before, wanted.limit)
    return {"items": items, "next_cursor": following}


@router.post("/compliance/surrenders", status_code=201)
def surrender(
    body: Annotated[requests.SurrenderBody, Depends(json_body(requests.SurrenderBody))],
    known: Firm,
    exchange: Exchange,
    terms: Annotated[Terms, Depends(registry_requests.terms)],
) -> Response:
    """Retire credits against an obligation, within its limits and before its deadline."""
    if body.symbol is not None:
        exchange.instruments.get(body.symbol)
    prepare = compliance.surrender(
        body.scheme,
        parse_year(body.year, "year"),
        parse_quantity(body.quantity),
        Criteria(() if body.symbol is None else (body.symbol,), body.batch_id),
    )
    return registry_requests.perform(exchange, known, "surrender", body, prepare, asked=terms)


@router.post("/compliance/preview")
def preview(
    body: Annotated[requests.PreviewBody, Depends(json_body(requests.PreviewBody))],
    known: Firm,
    exchange: Exchange,
    accept_language: Annotated[str, Header()] = "",
) -> dict[str, Any]:
    """What a purchase or a surrender would leave, or why it would be refused; changes nothing."""
    if body.symbol is not None:
        exchange.instruments.get(body.symbol)
    quantity = parse_quantity(body.quantity)
    found = compliance_preview.what_if(
        exchange.database,
        exchange.sync_core,
        known.account,
        body.scheme,
        None if body.year is None else parse_year(body.year, "year"),
        wish=body.action,
        quantity=quantity,
        symbol=body.symbol,
    )
    problem = None
    if found.refused is not None:
        problem = from_refused(found.refused).members(preferred_language(accept_language))
    return {
        "scheme": body.scheme,
        "year": found.year,
        "action": body.action,
        "quantity": str(quantity),
        "symbol": body.symbol,
        "allowed": problem is None,
        "before": found.before.show(),
        "after": None if found.after is None else found.after.show(),
        "serials": found.serials,
        "problem": problem,
    }


@router.get("/compliance/alerts")
def alerts(known: Reader, exchange: Exchange) -> dict[str, Any]:
    """Deadlines that come near, shortfalls, credits that can no longer be used; urgent first."""
    wanted = requests.wanted(exchange, known, None, None, None)
    items = compliance_views.every_obligation(exchange.database, exchange.sync_core, wanted)
    return {"items": compliance_alerts.alerts(items, time.time_ns()), "next_cursor": None}


@router.get("/compliance/shortfalls")
def shortfalls(
    known: Overseer,
    exchange: Exchange,
    scheme: ForScheme = None,
    year: ForYear = None,
    format: Annotated[Literal["json", "csv"], Query()] = "json",
) -> Response:
    """Who has not surrendered in full, and the sums of every scheme and year; also as CSV."""
    wanted = requests.wanted(exchange, known, None, scheme, year)
    items = compliance_views.every_obligation(exchange.database, exchange.sync_core, wanted)
    short = [item for item in items if item["status"] != "met"]
    if format == "csv":
        headers = {"Content-Disposition": 'attachment; filename="shortfalls.csv"'}
        return Response(requests.as_csv(short), media_type="text/csv", headers=headers)
    totals = compliance_alerts.shortfall_totals(items)
    return json_response({"items": short, "totals": totals, "next_cursor": None})


def _show(exchange: Gateway, number: int) -> dict[str, Any]:
    wanted = Wanted(number=number)
    found = compliance_views.every_obligation(exchange.database, exchange.sync_core, wanted)
    if not found:
        raise Problem("not_found")
    return found[0]
