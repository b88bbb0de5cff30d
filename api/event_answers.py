"""What the routes of events answer, as types: the part of api.answers that is theirs."""

from __future__ import annotations

from typing import Any, Literal

from api.registry_answers import Answer, Certificate


class SourceEmissions(Answer):
    """A line of activity data, the factor that was applied to it, and what it comes to."""

    source: str
    activity: str
    amount: str
    unit: str
    emissions_kg: str
    factor_kg: str
    factor_unit: str
    factor_source: str
    factor_year: int
    verified: bool


class Footprint(Answer):
    """`quantity` is in whole tonnes: only the sum is rounded, and up."""

    factors_version: str
    sources: list[SourceEmissions]
    emissions_kg: str
    quantity: str


class Event(Answer):
    """An event as its page shows it; `footprint` is the actual one once there is one."""

    event_id: str
    name: str
    category: str
    size: str
    organiser: str
    attendees: int
    starts_at: str
    ends_at: str
    status: Literal["draft", "planned", "accounted", "offsetting", "offset", "neutral", "cancelled"]
    boundary: str | None
    measures: str | None
    footprint: Footprint
    planned: Footprint
    actual: Footprint | None
    required: str
    retired: str
    missing: str
    symbol: str | None
    deadline: str
    overdue: bool
    certificates: list[Certificate]
    created_at: str
    published_at: str | None
    accounted_at: str | None


class EventOffset(Event):
    """The event, and the order that was placed for what is missing; null if none had to be."""

    order: dict[str, Any] | None


class Events(Answer):
    items: list[Event]
    next_cursor: str | None


class EventDeadline(Answer):
    years_after_end: int
    source: str
    verified: bool


class EventSize(Answer):
    size: str
    minimum_attendees: int
    source: str
    verified: bool


class EventFactor(Answer):
    """Kilograms of CO2e for one `unit`; amounts may be given in any of `units`."""

    emission_source: str
    activity: str
    unit: str
    units: list[str]
    kilograms: str
    source: str
    year: int
    verified: bool


class EventRules(Answer):
    version: str
    source: str
    categories: list[str]
    deadline: EventDeadline
    sizes: list[EventSize]
    factors: list[EventFactor]


class SignedCertificate(Answer):
    """Ed25519 over the certificate as JSON with sorted keys and no blanks, in UTF-8; base64."""

    certificate: Certificate
    public_key: str
    signature: str


class VerifyKey(Answer):
    """The public key of the exchange's certificates."""

    algorithm: Literal["Ed25519"]
    public_key: str


EVENT_ANSWERS: dict[tuple[str, str], type] = {
    ("GET", "/v1/events"): Events,
    ("POST", "/v1/events"): Event,
    ("GET", "/v1/events/rules"): EventRules,
    ("GET", "/v1/events/{event_id}"): Event,
    ("PATCH", "/v1/events/{event_id}"): Event,
    ("DELETE", "/v1/events/{event_id}"): Event,
    ("POST", "/v1/events/{event_id}/publish"): Event,
    ("POST", "/v1/events/{event_id}/activity"): Event,
    ("POST", "/v1/events/{event_id}/offset"): EventOffset,
    ("GET", "/v1/verify-key"): VerifyKey,
    ("GET", "/v1/verify/{certificate_id}/signed"): SignedCertificate,
}
