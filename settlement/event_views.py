"""Events as their pages show them, one or many; nothing of one is private once it is published."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.times import format_time
from settlement import certificates, events
from settlement.event_rules import rules
from settlement.tables.events import Event
from settlement.tables.identity import Account
from settlement.tables.registry import Retirement


def page(
    session: Session, account: int | None, before: int, limit: int, *, only_overdue: bool = False
) -> tuple[list[dict[str, Any]], str | None]:
    """The account's events, or without one the published ones, newest first; and the cursor."""
    query = select(Event).where(Event.number < before)
    if account is None:
        query = query.where(Event.published_time_ns.is_not(None))
    else:
        query = query.where(Event.account == account)
    if only_overdue:
        query = query.where(
            Event.deadline_time_ns < time.time_ns(),
            Event.cancelled_time_ns.is_(None),
            events.is_short_of_certificates(),
        )
    found = session.scalars(query.order_by(Event.number.desc()).limit(limit + 1)).all()
    shown = found[:limit]
    return show_list(session, shown), str(shown[-1].number) if len(found) > limit else None


def show(session: Session, event: Event) -> dict[str, Any]:
    """One event, with the certificates of its organiser that name it."""
    return show_list(session, [event])[0]


def show_list(session: Session, found: Sequence[Event]) -> list[dict[str, Any]]:
    """Each of the events, in their order."""
    accounts = {event.account for event in found}
    named = select(Account.number, Account.name).where(Account.number.in_(accounts))
    names = dict(session.execute(named).all())
    retired = events.retired_by_event(session, found)
    issued = session.scalars(
        select(Retirement)
        .where(Retirement.event_id.in_([event.event_id for event in found]))
        .order_by(Retirement.number)
    ).all()
    certified: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    contents = certificates.certificate_list(session, issued)
    for retirement, content in zip(issued, contents, strict=True):
        certified[retirement.event_id or "", retirement.account].append(content)
    return [
        _content(
            event,
            names.get(event.account, str(event.account)),
            retired[event.event_id],
            certified[event.event_id, event.account],
        )
        for event in found
    ]


def _content(
    event: Event, organiser: str, retired: int, certified: list[dict[str, Any]]
) -> dict[str, Any]:
    missing = max(events.required(event) - retired, 0)
    status = events.status(event, missing)
    return {
        "event_id": event.event_id,
        "name": event.name,
        "category": event.category,
        "size": rules().size(event.attendees),
        "organiser": organiser,
        "attendees": event.attendees,
        "starts_at": format_time(event.starts_time_ns),
        "ends_at": format_time(event.ends_time_ns),
        "status": status,
        "boundary": event.boundary,
        "measures": event.measures,
        "footprint": event.planned if event.actual is None else event.actual,
        "planned": event.planned,
        "actual": event.actual,
        "required": str(events.required(event)),
        "retired": str(retired),
        "missing": str(missing),
        "symbol": event.offset_symbol,
        "deadline": format_time(event.deadline_time_ns),
        "overdue": missing > 0
        and status != "cancelled"
        and time.time_ns() > event.deadline_time_ns,
        "certificates": certified,
        "created_at": format_time(event.created_time_ns),
        "published_at": _time_or_none(event.published_time_ns),
        "accounted_at": _time_or_none(event.accounted_time_ns),
    }


def _time_or_none(time_ns: int | None) -> str | None:
    return None if time_ns is None else format_time(time_ns)
