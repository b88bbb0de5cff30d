"""Compliance: obligations, the headroom they leave, and surrenders."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from api import registry_requests as requests
from api.auth import Caller, require_role
from api.gateway import Gateway, gateway
from api.schemas import parse_quantity
from api.strict_json import json_body
from settlement import compliance

router = APIRouter(prefix="/compliance", tags=["compliance"])

Exchange = Annotated[Gateway, Depends(gateway)]
Terms = Annotated[requests.Terms, Depends(requests.terms)]


@router.get("/headroom")
def headroom(
    scheme: str,
    known: Annotated[Caller, Depends(require_role("compliance"))],
    exchange: Exchange,
    year: Annotated[str | None, Query()] = None,
) -> dict[str, Any]:
    """What may still be bought or surrendered under a scheme; without a year, the current one."""
    wanted = None if year is None else requests.parse_year(year, "year")
    return compliance.headroom(exchange.database, exchange.sync_core, known.account, scheme, wanted)


@router.post("/obligations", status_code=201)
def oblige(
    body: Annotated[requests.ObligationBody, Depends(json_body(requests.ObligationBody))],
    known: Annotated[Caller, Depends(require_role("operator"))],
    exchange: Exchange,
) -> dict[str, Any]:
    """Lay down what an account owes for a year; its cap follows by the scheme's ratio."""
    base_quantity = parse_quantity(body.base_quantity, "base_quantity")
    year = requests.parse_year(body.year, "year")
    return compliance.set_obligation(
        exchange.database,
        exchange.sync_core,
        account=body.account,
        scheme=body.scheme,
        year=year,
        base_quantity=base_quantity,
        actor=known.username,
    )


@router.post("/surrenders", status_code=201)
def surrender(
    body: Annotated[requests.SurrenderBody, Depends(json_body(requests.SurrenderBody))],
    known: Annotated[Caller, Depends(require_role("compliance"))],
    exchange: Exchange,
    terms: Terms,
) -> Response:
    """Retire credits against an obligation, within its cap and before its deadline."""
    prepare = compliance.surrender(
        body.scheme, requests.parse_year(body.year, "year"), parse_quantity(body.quantity)
    )
    return requests.perform(exchange, known, "surrender", body, prepare, asked=terms)
