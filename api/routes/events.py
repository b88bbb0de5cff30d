"""Event neutrality: from the plan over the footprint and its offset to the public page."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.orm import Session

from api import event_purchases
from api import event_requests as requests
from api.auth import Caller, anyone, caller, check_scope, limit, require_role
from api.gateway import Gateway, gateway
from api.operator_actions import write
from api.registry_requests import IdempotencyKey
from api.schemas import Page, page, parse_order_price
from api.strict_json import json_body
from settlement import event_views, events
from settlement.event_rules import rules
from settlement.tables.events import Event

router = APIRouter(prefix="/events", tags=["events"])

Exchange = Annotated[Gateway, Depends(gateway)]
Organiser = Annotated[Caller, Depends(require_role("event_organiser"))]


async def caller_or_anyone(request: Request) -> Caller | None:
    """Who asks, if he says so; wrong credentials are refused, none are not needed."""
    if any(name in request.headers for name in ("authorization", "x-api-key")):
        return await caller(request)
    await anyone(request)
    return None


Reader = Annotated[Caller | None, Depends(caller_or_anyone)]


@router.post("", status_code=201)
async def create_event(
    body: Annotated[requests.EventBody, Depends(json_body(requests.EventBody))],
    known: Organiser,
    exchange: Exchange,
    idempotency_key: IdempotencyKey = None,
) -> dict[str, Any]:
    """A draft of an event with its footprint; of one that is over, by its actual data."""
    plan = requests.parse_plan(body)

    def work(session: Session) -> dict[str, Any]:
        event = events.create(session, known.account, plan, idempotency_key, time.time_ns())
        events.audit(session, known.username, "event_created", event)
        return event_views.show(session, event)

    return await write(exchange, work)


@router.get("")
def list_events(
    known: Reader,
    exchange: Exchange,
    wanted: Annotated[Page, Depends(page)],
    published: Annotated[
        bool, Query(description="Everybody's published events, also for who is logged in.")
    ] = False,
    overdue: Annotated[bool, Query(description="Only those not offset by their deadline.")] = False,
) -> dict[str, Any]:
    """One's own events, newest first; without credentials all that are published."""
    account = None if known is None or published else known.account
    with exchange.database.read() as session:
        items, following = event_views.page(
            session, account, wanted.before, wanted.limit, only_overdue=overdue
        )
    return {"items": items, "next_cursor": following}


@router.get("/rules", dependencies=[Depends(anyone)])
def event_rules() -> dict[str, Any]:
    """Categories, sizes, the deadline, and every emission factor with its source and year."""
    found = rules()
    shown = found.model_dump(mode="json", exclude={"units"})
    for factor, written in zip(found.factors, shown["factors"], strict=True):
        written["units"] = found.units_of(factor)
    return shown


@router.get("/{event_id}")
def show_event(event_id: str, known: Reader, exchange: Exchange) -> dict[str, Any]:
    """The event's page: plan, footprint, certificates; a draft only for its organiser."""
    account = None if known is None else known.account
    with exchange.database.read() as session:
        return event_views.show(session, events.visible(session, account, event_id))


@router.patch("/{event_id}")
async def change_event(
    event_id: str,
    body: Annotated[requests.EventChangeBody, Depends(json_body(requests.EventChangeBody))],
    known: Organiser,
    exchange: Exchange,
) -> dict[str, Any]:
    """Change a draft; what is not given stays."""
    changes = requests.parse_changes(body)

    def work(session: Session, event: Event) -> None:
        events.revise(session, event, events.plan_of(event)._replace(**changes))

    return await _change(exchange, known, event_id, "event_changed", work)


@router.post("/{event_id}/publish")
async def publish_event(event_id: str, known: Organiser, exchange: Exchange) -> dict[str, Any]:
    """Publish the plan: from then on it stands, and everybody can see it."""

    def work(session: Session, event: Event) -> None:
        events.publish(session, event, time.time_ns())

    return await _change(exchange, known, event_id, "event_published", work)


@router.post("/{event_id}/activity")
async def report_activity(
    event_id: str,
    body: Annotated[requests.ActivityBody, Depends(json_body(requests.ActivityBody))],
    known: Organiser,
    exchange: Exchange,
) -> dict[str, Any]:
    """The actual activity data after the event, all of it; it replaces what was given before."""
    sources = requests.parse_sources(body.sources)

    def work(session: Session, event: Event) -> None:
        events.account_for(session, event, sources, time.time_ns())

    return await _change(exchange, known, event_id, "event_accounted", work)


@router.delete("/{event_id}")
async def cancel_event(event_id: str, known: Organiser, exchange: Exchange) -> dict[str, Any]:
    """Give the event up, unless credits are retired for it. Its open orders are not cancelled."""

    def work(session: Session, event: Event) -> None:
        events.cancel(session, event, time.time_ns())

    return await _change(exchange, known, event_id, "event_cancelled", work)


@router.post("/{event_id}/offset", status_code=201)
async def offset_event(
    event_id: str,
    request: Request,
    body: Annotated[requests.OffsetBody, Depends(json_body(requests.OffsetBody))],
    known: Organiser,
    exchange: Exchange,
) -> dict[str, Any]:
    """Order what is missing at a limit; all of it is retired once it is there, after settlement.

    Credits of the symbol that the organiser has already count first. A draft is published by this.
    Asking again orders only what is missing still.
    """
    check_scope(known, "trade")
    limit(request, "orders", known.account_code)
    instrument = exchange.instruments.get(body.symbol)
    price_ticks = parse_order_price(body.max_price, instrument, "max_price")
    order = await event_purchases.offset(exchange, known, event_id, instrument, price_ticks)
    shown: dict[str, Any] = await event_purchases.read(
        exchange,
        lambda session: event_views.show(session, events.own(session, known.account, event_id)),
    )
    return shown | {"order": order}


async def _change(
    exchange: Gateway,
    known: Caller,
    event_id: str,
    action: str,
    work: Callable[[Session, Event], None],
) -> dict[str, Any]:
    """Change one's own event, and show it."""

    def transaction(session: Session) -> dict[str, Any]:
        event = events.own(session, known.account, event_id)
        work(session, event)
        session.flush()
        events.audit(session, known.username, action, event)
        return event_views.show(session, event)

    return await write(exchange, transaction)
