"""What anyone may see of the registry: projects, issues, retirements, certificates, schemes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Depends, Query
from sqlalchemy import select

from api.auth import anyone
from api.gateway import Gateway, gateway
from api.schemas import Page, page
from settlement import certificate_signatures, certificates, registry_views
from settlement.tables.registry import Batch, Methodology, Project, Retirement

router = APIRouter(tags=["registry"], dependencies=[Depends(anyone)])

Exchange = Annotated[Gateway, Depends(gateway)]
Wanted = Annotated[Page, Depends(page)]


@router.get("/methodologies")
def methodologies(exchange: Exchange, wanted: Wanted) -> dict[str, Any]:
    """All methodologies, newest first."""
    return _newest_first(exchange, wanted, Methodology, registry_views.show_methodology)


class Search(NamedTuple):
    """What projects are looked for by."""

    q: str | None
    region: str | None
    methodology: str | None
    stage: str | None


async def search(
    q: Annotated[str | None, Query(max_length=200, description="Part of the name.")] = None,
    region: Annotated[str | None, Query(max_length=64)] = None,
    methodology: Annotated[str | None, Query(max_length=64)] = None,
    stage: Literal["listed", "validated", "registered", "closed"] | None = None,
) -> Search:
    """The dependency behind the project library."""
    return Search(q, region, methodology, stage)


@router.get("/projects")
def projects(
    exchange: Exchange, wanted: Wanted, by: Annotated[Search, Depends(search)]
) -> dict[str, Any]:
    """The project library, newest first."""
    found = select(Project)
    if by.q is not None:
        found = found.where(Project.name.icontains(by.q, autoescape=True))
    for column, value in (
        (Project.region, by.region),
        (Project.methodology, by.methodology),
        (Project.stage, by.stage),
    ):
        if value is not None:
            found = found.where(column == value)
    with exchange.database.read() as session:
        rows, following = registry_views.page(
            session, found, Project.number, wanted.before, wanted.limit
        )
        items = [registry_views.show_project(row) for row in rows]
    return {"items": items, "next_cursor": following}


@router.get("/registry/batches")
def batches(exchange: Exchange, wanted: Wanted) -> dict[str, Any]:
    """All issues, newest first."""
    return _newest_first(exchange, wanted, Batch, registry_views.show_batch)


@router.get("/registry/batches/{batch_id}")
def batch(batch_id: str, exchange: Exchange) -> dict[str, Any]:
    """One issue, and how much of it is held, in custody, retired."""
    with exchange.database.read() as session:
        return registry_views.show_batch_in_full(session, batch_id)


@router.get("/registry/retirements")
def retirements(exchange: Exchange, wanted: Wanted) -> dict[str, Any]:
    """All retirements, newest first."""
    with exchange.database.read() as session:
        rows, following = registry_views.page(
            session, select(Retirement), Retirement.number, wanted.before, wanted.limit
        )
        items = certificates.certificate_list(session, rows)
    return {"items": items, "next_cursor": following}


@router.get("/verify/{certificate_id}")
def verify(certificate_id: str, exchange: Exchange) -> dict[str, Any]:
    """Whether a certificate is genuine, and what it certifies."""
    with exchange.database.read() as session:
        found = certificates.find(session, certificate_id)
        return {"valid": True} | certificates.certificate(session, found)


@router.get("/verify/{certificate_id}/signed")
def signed(certificate_id: str, exchange: Exchange) -> dict[str, Any]:
    """The certificate with the exchange's signature, to be checked without asking again."""
    with exchange.database.read() as session:
        found = certificates.find(session, certificate_id)
        content = certificates.certificate(session, found)
    return certificate_signatures.sign(exchange.certificate_key, content)


@router.get("/verify-key")
def verify_key(exchange: Exchange) -> dict[str, Any]:
    """The public key that the signatures of certificates are checked with."""
    public_key = certificate_signatures.public_key(exchange.certificate_key)
    return {"algorithm": "Ed25519", "public_key": public_key}


def _newest_first(
    exchange: Gateway,
    wanted: Page,
    table: type[Methodology | Batch],
    show: Callable[[Any], dict[str, Any]],
) -> dict[str, Any]:
    """One page of all rows of a table."""
    with exchange.database.read() as session:
        rows, following = registry_views.page(
            session, select(table), table.number, wanted.before, wanted.limit
        )
        return {"items": [show(row) for row in rows], "next_cursor": following}
