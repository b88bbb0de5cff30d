"""Events: plan, activity data, footprint, and how far each is on its way to neutrality.

    draft        seen by its organiser alone; everything can be changed
    planned      the plan is published and stands
    accounted    the actual activity data is in; it can be corrected
    offsetting   credits are bought or waited for, to be retired after settlement
    offset       the plan's estimate is retired
    neutral      the actual emissions are retired
    cancelled

What is retired is never stored with the event: it is the sum of its certificates, so that it cannot
differ from them. The functions run inside the caller's transaction and raise Refused.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from settlement import identity
from settlement.errors import Refused, require_same_request
from settlement.event_rules import Activity, footprint, rules
from settlement.tables.events import Event
from settlement.tables.identity import Account
from settlement.tables.registry import Operation, Retirement

Status = Literal["draft", "planned", "accounted", "offsetting", "offset", "neutral", "cancelled"]
_LAST_TIME_NS = 2**63 - 1


class Plan(NamedTuple):
    """What an organiser says of an event before it takes place."""

    name: str
    category: str
    attendees: int
    starts_time_ns: int
    ends_time_ns: int
    sources: Sequence[Activity]
    boundary: str | None = None
    measures: str | None = None


def create(
    session: Session, account: int, plan: Plan, idempotency_key: str | None, time_ns: int
) -> Event:
    """A new draft, or the one that the idempotency key stands for already.

    Of an event that is over, the sources are the actual activity data too.
    """
    content = json.dumps(plan, sort_keys=True, ensure_ascii=False)
    fingerprint = hashlib.sha256(content.encode()).hexdigest()
    if idempotency_key is not None:
        earlier = session.scalar(
            select(Event).where(Event.account == account, Event.idempotency_key == idempotency_key)
        )
        if earlier is not None:
            require_same_request(earlier.fingerprint, fingerprint)
            return earlier
    event = Event(
        event_id=f"EV-{secrets.token_hex(6).upper()}",
        account=account,
        idempotency_key=idempotency_key,
        fingerprint=fingerprint,
        created_time_ns=time_ns,
    )
    _write_plan(event, plan)
    if event.ends_time_ns <= time_ns:
        event.actual, event.actual_quantity = event.planned, event.planned_quantity
        event.accounted_time_ns = time_ns
    session.add(event)
    session.flush()
    return event


def revise(session: Session, event: Event, plan: Plan) -> None:
    """Change a draft; once it is published the plan stands."""
    _require(session, event, "draft")
    _write_plan(event, plan)


def publish(session: Session, event: Event, time_ns: int) -> None:
    """Show the plan to everybody; a second time does nothing."""
    if event.published_time_ns is None:
        _require(session, event, "draft")
        event.published_time_ns = time_ns


def account_for(session: Session, event: Event, sources: Sequence[Activity], time_ns: int) -> None:
    """Lay down what the event has emitted, or correct it, until that much is retired."""
    _require(session, event, "planned", "accounted", "offsetting", "offset")
    if time_ns < event.ends_time_ns:
        raise Refused(
            "conflict",
            "The event is not over yet.",
            detail_zh="活动尚未结束，不能报告实际活动数据。",
        )
    if not missing(session, event):
        # What the offset was asked for is done; more is retired only if it is asked for again.
        event.offset_symbol = None
    event.actual, event.actual_quantity = _measured(sources)
    event.accounted_time_ns = time_ns


def cancel(session: Session, event: Event, time_ns: int) -> None:
    """Give the event up, unless credits have been used for it; its open orders stay."""
    if event.cancelled_time_ns is None:
        _require(session, event, "draft", "planned", "accounted", "offsetting")
        if retired(session, event):
            raise Refused("conflict", "Credits have been retired for the event.")
        event.cancelled_time_ns = time_ns


def own(session: Session, account: int, event_id: str) -> Event:
    """The account's event; another account's is not found."""
    event = session.scalar(
        select(Event).where(Event.event_id == event_id, Event.account == account)
    )
    if event is None:
        raise Refused("not_found", "There is no such event.", field="event_id")
    return event


def visible(session: Session, account: int | None, event_id: str) -> Event:
    """An event that `account` may see: its own, or one that is published."""
    event = session.scalar(select(Event).where(Event.event_id == event_id))
    if event is None or (event.published_time_ns is None and event.account != account):
        raise Refused("not_found", "There is no such event.")
    return event


def check_retirement(session: Session, account: int, event_id: str) -> None:
    """Whether a certificate of the account may name the event: any but another account's."""
    owner = session.scalar(select(Event.account).where(Event.event_id == event_id))
    if owner not in (None, account):
        raise Refused("not_found", "There is no such event.", field="event_id")


def required(event: Event) -> int:
    """The whole tonnes that are to be offset: the actual ones once they are known."""
    return event.planned_quantity if event.actual_quantity is None else event.actual_quantity


def retired(session: Session, event: Event) -> int:
    """What is retired for the event by its organiser, or about to be."""
    return retired_by_event(session, [event])[event.event_id]


def retired_by_event(session: Session, found: Sequence[Event]) -> dict[str, int]:
    """As `retired`, for each of the events by its id."""
    owners = {event.event_id: event.account for event in found}
    totals = dict.fromkeys(owners, 0)
    certified = session.execute(
        select(Retirement.event_id, Retirement.account, func.sum(Retirement.quantity))
        .where(Retirement.event_id.in_(owners))
        .group_by(Retirement.event_id, Retirement.account)
    )
    for event_id, account, quantity in certified:
        if event_id is not None and owners[event_id] == account:
            totals[event_id] += int(quantity)
    unfinished = session.scalars(
        select(Operation).where(
            Operation.account.in_(set(owners.values())),
            Operation.kind == "retirement",
            Operation.status.in_(("pending", "reverting")),
        )
    )
    for operation in unfinished:
        named = str((operation.certificate or {}).get("event_id"))
        if owners.get(named) == operation.account:
            totals[named] += operation.quantity
    return totals


def is_short_of_certificates() -> ColumnElement[bool]:
    """A condition on Event: the certificates that name it say less than is required."""
    certified = select(func.coalesce(func.sum(Retirement.quantity), 0)).where(
        Retirement.event_id == Event.event_id, Retirement.account == Event.account
    )
    return (
        func.coalesce(Event.actual_quantity, Event.planned_quantity)
        > certified.correlate(Event).scalar_subquery()
    )


def missing(session: Session, event: Event) -> int:
    """The tonnes that are still to be retired."""
    return max(required(event) - retired(session, event), 0)


def status(event: Event, missing_quantity: int) -> Status:
    """How far the event is; see above."""
    if event.cancelled_time_ns is not None:
        return "cancelled"
    if missing_quantity == 0:
        return "offset" if event.actual is None else "neutral"
    if event.offset_symbol is not None:
        return "offsetting"
    if event.published_time_ns is None:
        return "draft"
    return "planned" if event.actual is None else "accounted"


def organiser(session: Session, event: Event) -> str:
    """The name of the account whose event it is."""
    account = session.get(Account, event.account)
    return str(event.account) if account is None else account.name


def plan_of(event: Event) -> Plan:
    """The plan as it stands, for a change of a part of it."""
    lines = event.planned["sources"]
    sources = [Activity(**{name: line[name] for name in Activity._fields}) for line in lines]
    return Plan(
        event.name,
        event.category,
        event.attendees,
        event.starts_time_ns,
        event.ends_time_ns,
        sources,
        event.boundary,
        event.measures,
    )


def audit(session: Session, actor: str, action: str, event: Event) -> None:
    """Write down who did what to the event."""
    subject: dict[str, object] = {"event_id": event.event_id, "required": str(required(event))}
    identity.audit(session, actor, action, subject)


def _require(session: Session, event: Event, *allowed: Status) -> None:
    now = status(event, missing(session, event))
    if now not in allowed:
        raise Refused(
            "conflict",
            f"The event is {now}; that cannot be changed any more.",
            detail_zh=f"活动状态为 {now}，不能再作此更改。",
        )


def _write_plan(event: Event, plan: Plan) -> None:
    if plan.category not in rules().categories:
        known = ", ".join(rules().categories)
        raise Refused(
            "invalid_request",
            f"Known categories: {known}.",
            field="category",
            detail_zh=f"可用的活动类别：{known}。",
        )
    if plan.ends_time_ns <= plan.starts_time_ns:
        raise Refused(
            "invalid_request",
            "An event ends after it starts.",
            field="ends_at",
            detail_zh="结束时间应晚于开始时间。",
        )
    event.planned, event.planned_quantity = _measured(plan.sources)
    event.name, event.category, event.attendees = plan.name, plan.category, plan.attendees
    event.starts_time_ns, event.ends_time_ns = plan.starts_time_ns, plan.ends_time_ns
    event.deadline_time_ns = rules().deadline_ns(plan.ends_time_ns)
    if event.deadline_time_ns > _LAST_TIME_NS:
        raise Refused("invalid_request", "The time is out of range.", field="ends_at")
    event.boundary, event.measures = plan.boundary, plan.measures


def _measured(sources: Sequence[Activity]) -> tuple[dict[str, Any], int]:
    shown, tonnes = footprint(sources)
    if tonnes == 0:
        raise Refused(
            "invalid_request",
            "The sources emit nothing.",
            field="sources",
            detail_zh="排放源的排放量不能为零。",
        )
    return shown, tonnes
