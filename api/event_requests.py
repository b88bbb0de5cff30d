"""What organisers send about their events, and how it is checked."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec

from api.errors import Problem
from api.registry_requests import MAX_NAME, parse_text
from api.schemas import Body, Decimal, Symbol, parse_expiry
from settlement.event_rules import Activity
from settlement.events import Plan

MAX_SOURCES = 200
_ATTENDEES = re.compile(r"[1-9][0-9]{0,7}", re.ASCII)
_MAX_PLAN_TEXT = 2_000

Amount = Annotated[
    str,
    msgspec.Meta(
        extra_json_schema={
            "pattern": r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,3})?$",
            "examples": ["1200.5"],
        }
    ),
]
Time = Annotated[str, msgspec.Meta(extra_json_schema={"examples": ["2026-12-01T01:00:00Z"]})]
Category = Annotated[
    str,
    msgspec.Meta(
        description="One of the categories of GET /v1/events/rules.",
        extra_json_schema={"examples": ["conference"]},
    ),
]
Attendees = Annotated[
    int | str, msgspec.Meta(description="How many people are expected, at least 1.")
]
PlanText = Annotated[str, msgspec.Meta(extra_json_schema={"maxLength": _MAX_PLAN_TEXT})]


class SourceBody(Body):
    """A line of activity data; see GET /v1/events/rules for sources, activities and units."""

    source: str
    activity: str
    amount: Amount
    unit: str


class EventBody(Body):
    """POST /v1/events. `boundary` and `measures` say what the plan covers and how it reduces."""

    name: str
    category: Category
    attendees: Attendees
    starts_at: Time
    ends_at: Time
    sources: list[SourceBody]
    boundary: PlanText | None = None
    measures: PlanText | None = None


class EventChangeBody(Body):
    """PATCH /v1/events/{event_id}, of a draft; what is not given stays."""

    name: str | None = None
    category: Category | None = None
    attendees: Attendees | None = None
    starts_at: Time | None = None
    ends_at: Time | None = None
    sources: list[SourceBody] | None = None
    boundary: PlanText | None = None
    measures: PlanText | None = None


class ActivityBody(Body):
    """POST /v1/events/{event_id}/activity: the actual data, all of it."""

    sources: list[SourceBody]


class OffsetBody(Body):
    """POST /v1/events/{event_id}/offset; `max_price` is the limit of the order."""

    symbol: Symbol
    max_price: Decimal


def parse_plan(body: EventBody) -> Plan:
    """The whole plan. Raises Problem."""
    return Plan(
        name=parse_text(body.name, "name", MAX_NAME),
        category=body.category,
        attendees=_attendees(body.attendees),
        starts_time_ns=parse_expiry(body.starts_at, "starts_at"),
        ends_time_ns=parse_expiry(body.ends_at, "ends_at"),
        sources=parse_sources(body.sources),
        boundary=_plan_text(body.boundary, "boundary"),
        measures=_plan_text(body.measures, "measures"),
    )


def parse_changes(body: EventChangeBody) -> dict[str, Any]:
    """The fields of a Plan that change. Raises Problem."""
    changes: dict[str, Any] = {
        "name": None if body.name is None else parse_text(body.name, "name", MAX_NAME),
        "category": body.category,
        "attendees": None if body.attendees is None else _attendees(body.attendees),
        "starts_time_ns": _time(body.starts_at, "starts_at"),
        "ends_time_ns": _time(body.ends_at, "ends_at"),
        "sources": None if body.sources is None else parse_sources(body.sources),
        "boundary": _plan_text(body.boundary, "boundary"),
        "measures": _plan_text(body.measures, "measures"),
    }
    return {name: value for name, value in changes.items() if value is not None}


def parse_sources(lines: list[SourceBody]) -> list[Activity]:
    """Activity data; what its words mean is settlement's to check. Raises Problem."""
    if not 1 <= len(lines) <= MAX_SOURCES:
        raise Problem(
            "invalid_request",
            f"1 to {MAX_SOURCES} sources.",
            detail_zh=f"排放源应为 1 至 {MAX_SOURCES} 项。",
            field="sources",
            limit=MAX_SOURCES,
        )
    return [Activity(line.source, line.activity, line.amount, line.unit) for line in lines]


def _attendees(value: int | str) -> int:
    if not _ATTENDEES.fullmatch(str(value)):
        raise Problem(
            "invalid_request",
            "The number of attendees is a whole number from 1 on.",
            detail_zh="参与人数应为正整数。",
            field="attendees",
        )
    return int(value)


def _plan_text(text: str | None, field: str) -> str | None:
    return None if text is None else parse_text(text, field, _MAX_PLAN_TEXT)


def _time(text: str | None, field: str) -> int | None:
    return None if text is None else parse_expiry(text, field)
