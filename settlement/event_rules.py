"""The rules of event neutrality, read from event_rules.toml, and the footprint that they give.

Amounts have up to three decimals and factors up to six of a kilogram, so a line's emissions are an
integer of micrograms. Nothing is rounded but the whole, once, up to full tonnes.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache, cached_property
from importlib import resources
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine.times import nanoseconds, utc_moment
from engine.units import MAX_QUANTITY_LOTS
from settlement.errors import Refused

_AMOUNT_DECIMALS = 3
_KILOGRAM_DECIMALS = 6
_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,11})(?:\.([0-9]{1,3}))?", re.ASCII)
_KILOGRAMS = re.compile(r"(0|[1-9][0-9]{0,5})(?:\.([0-9]{1,6}))?", re.ASCII)
# A thousandth of a unit times a millionth of a kilogram.
_MICROGRAMS_IN_KILOGRAM = 10 ** (_AMOUNT_DECIMALS + _KILOGRAM_DECIMALS)
_MICROGRAMS_IN_TONNE = 1_000 * _MICROGRAMS_IN_KILOGRAM


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Deadline(_Strict):
    """By when an event must be offset."""

    years_after_end: int = Field(ge=1)
    source: str
    verified: bool


class Size(_Strict):
    """A class of events, from so many attendees on."""

    size: str
    minimum_attendees: int
    source: str
    verified: bool


class Unit(_Strict):
    """A unit in which amounts may be given, and how many of a factor's unit it is."""

    unit: str
    multiplier: int = Field(ge=1)


class Factor(_Strict):
    """The emissions of one unit of an activity."""

    emission_source: str
    activity: str
    unit: str
    kilograms: str = Field(pattern=_KILOGRAMS.pattern)
    source: str
    year: int
    verified: bool

    @cached_property
    def milligrams(self) -> int:
        return _fixed(_KILOGRAMS, self.kilograms, _KILOGRAM_DECIMALS)


class Rules(_Strict):
    """The file event_rules.toml."""

    version: str
    source: str
    categories: tuple[str, ...]
    deadline: Deadline
    sizes: tuple[Size, ...]
    units: dict[str, Unit]
    factors: tuple[Factor, ...]

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if len({(one.emission_source, one.activity) for one in self.factors}) < len(self.factors):
            raise ValueError("there is one factor for each source and activity")
        known = {unit.unit for unit in self.units.values()}
        if any(factor.unit not in known for factor in self.factors):
            raise ValueError("a factor's unit can be asked for")
        return self

    def size(self, attendees: int) -> str:
        """The class of an event; the sizes stand largest first."""
        return next(one.size for one in self.sizes if attendees >= one.minimum_attendees)

    def deadline_ns(self, ends_time_ns: int) -> int:
        """The same moment so many years later; from 29 February it is the 28th."""
        ends = utc_moment(ends_time_ns)
        year = ends.year + self.deadline.years_after_end
        try:
            last = ends.replace(year=year)
        except ValueError:
            last = ends.replace(year=year, day=28)
        return nanoseconds(last)

    def units_of(self, factor: Factor) -> list[str]:
        """The units in which an amount for this factor may be given."""
        return [name for name, unit in self.units.items() if unit.unit == factor.unit]


class Activity(NamedTuple):
    """A line of activity data, as the organiser gives it."""

    source: str
    activity: str
    amount: str
    unit: str


@cache
def rules() -> Rules:
    """The rules as they are shipped."""
    text = resources.files("settlement").joinpath("event_rules.toml").read_text("utf-8")
    return Rules.model_validate(tomllib.loads(text), strict=False)


def footprint(activities: Sequence[Activity]) -> tuple[dict[str, Any], int]:
    """The footprint as it is kept and shown, and its whole tonnes. Raises Refused."""
    found = rules()
    lines, total = [], 0
    for index, line in enumerate(activities):
        factor, micrograms = _emissions(found, line, f"sources[{index}]")
        total += micrograms
        lines.append(
            {
                **line._asdict(),
                "emissions_kg": _kilograms(micrograms),
                "factor_kg": factor.kilograms,
                "factor_unit": factor.unit,
                "factor_source": factor.source,
                "factor_year": factor.year,
                "verified": factor.verified,
            }
        )
    tonnes = -(-total // _MICROGRAMS_IN_TONNE)
    if tonnes > MAX_QUANTITY_LOTS:
        raise Refused(
            "quantity_too_large",
            "The footprint is too large.",
            field="sources",
            limit=str(MAX_QUANTITY_LOTS),
        )
    shown = {
        "factors_version": found.version,
        "sources": lines,
        "emissions_kg": _kilograms(total),
        "quantity": str(tonnes),
    }
    return shown, tonnes


def _emissions(found: Rules, line: Activity, place: str) -> tuple[Factor, int]:
    of_source = [one for one in found.factors if one.emission_source == line.source]
    if not of_source:
        known = ", ".join(dict.fromkeys(one.emission_source for one in found.factors))
        raise _refused(f"{place}.source", f"Known sources: {known}.", f"可用的排放源：{known}。")
    factor = next((one for one in of_source if one.activity == line.activity), None)
    if factor is None:
        known = ", ".join(one.activity for one in of_source)
        detail = f"Known activities of {line.source}: {known}."
        raise _refused(f"{place}.activity", detail, f"{line.source} 可用的活动：{known}。")
    unit = found.units.get(line.unit)
    if unit is None or unit.unit != factor.unit:
        known = ", ".join(found.units_of(factor))
        detail = f"{line.activity} is given in {known}."
        raise _refused(f"{place}.unit", detail, f"{line.activity} 的计量单位应为 {known}。")
    if not _AMOUNT.fullmatch(line.amount):
        detail = "An amount is a decimal string with up to 12 digits and 3 decimals."
        detail_zh = "数量应为至多 12 位整数、3 位小数的十进制字符串。"
        raise _refused(f"{place}.amount", detail, detail_zh)
    amount = _fixed(_AMOUNT, line.amount, _AMOUNT_DECIMALS)
    return factor, amount * unit.multiplier * factor.milligrams


def _refused(field: str, detail: str, detail_zh: str) -> Refused:
    return Refused("invalid_request", detail, field=field, detail_zh=detail_zh)


def _fixed(pattern: re.Pattern[str], text: str, decimals: int) -> int:
    """A decimal text as an integer of its last decimal."""
    match = pattern.fullmatch(text)
    assert match is not None, "the text is checked before"
    return int(match[1] + (match[2] or "").ljust(decimals, "0"))


def _kilograms(micrograms: int) -> str:
    whole, part = divmod(micrograms, _MICROGRAMS_IN_KILOGRAM)
    decimals = f"{part:09}".rstrip("0")
    return f"{whole}.{decimals}" if decimals else str(whole)
