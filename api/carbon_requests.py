"""What is sent to carbon accounts and for points, and how it is read."""

from __future__ import annotations

import re
from datetime import date
from typing import Literal

import msgspec

from api import registry_requests as requests
from api.errors import Problem
from api.schemas import Body
from engine.times import day_number

MAX_ACTS = 200
_THREE_PLACES = re.compile(r"(0|[1-9][0-9]{0,8})(?:\.([0-9]{1,3}))?", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


class EntryBody(Body):
    """POST /v1/carbon/entries; `quantity` in tonnes with up to three decimals."""

    year: int | str
    kind: Literal["emission", "reduction"]
    category: str
    quantity: str
    evidence: str
    # The entry that was wrong.
    replaces: str | None = None


class ConsentBody(Body):
    """PUT /v1/carbon/person: opens the personal carbon account, or changes its consent."""

    consents_to_aggregation: bool


class ActBody(Body):
    """What a person did; `amount` in the scene's unit with up to three decimals."""

    act_id: str
    account: str
    day: str
    amount: str


class ActsBody(Body):
    """POST /v1/points/reports: acts of one scene, taken in all or none."""

    scene: str
    acts: list[ActBody] = msgspec.field(default_factory=list)


class RedemptionBody(Body):
    """POST /v1/points/redemptions."""

    reward: str


class AggregationBody(Body):
    """POST /v1/registry/aggregations: what consenting persons did in a year becomes a batch."""

    project_id: str
    year: int | str
    scenes: list[str]
    serial_prefix: str


def parse_milli(text: str, field: str) -> int:
    """A positive decimal with up to three places, in thousandths. Raises Problem."""
    match = _THREE_PLACES.fullmatch(text)
    value = 0 if match is None else int(match[1]) * 1_000 + int((match[2] or "").ljust(3, "0"))
    if value == 0:
        raise Problem(
            "invalid_request",
            "A positive decimal with up to three places is needed.",
            detail_zh="须为最多三位小数的正数。",
            field=field,
        )
    return value


def parse_number(text: str | None, field: str) -> int | None:
    """An entry's id. Raises Problem."""
    if text is not None and not _NUMBER.fullmatch(text):
        raise Problem("invalid_request", "This is no id.", detail_zh="编号无效。", field=field)
    return None if text is None else int(text)


def parse_act_day(text: str) -> int:
    """The day of an act. Raises Problem."""
    found = requests.parse_day(text, "day")
    return day_number(date.max) if found is None else found
