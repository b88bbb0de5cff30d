"""The rules of offset schemes, read from the files in settlement/schemes.

A file is one scheme. Where its rule changed over the years, each of its `[[years]]` says what was
different; a year that no rule covers has none.
"""

from __future__ import annotations

import tomllib
from datetime import date, datetime, timedelta
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Any, Literal, NamedTuple, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine.times import nanoseconds, utc_moment
from engine.units import ONE_MILLION
from settlement.credit_terms import Credits
from settlement.errors import Refused
from settlement.tables.registry import Batch, Project

Base = Literal["surrender_obligation", "actual_emissions", "allocation", "taxable_emissions"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Deadline(_Strict):
    """A last day, counted from the compliance year."""

    years_after: int
    month: int
    day: int

    def last_day(self, year: int) -> date:
        return date(year + self.years_after, self.month, self.day)


class Part(_Strict):
    """How much of the offset some credits may be: a ratio of the base, the cap, or the surrendered.

    They are those of `credits`, or all that are not `other_than` (so that what is not known to be
    local, say, is not local).
    """

    name: str
    name_zh: str
    maximum_ppm: int = Field(ge=0, lt=ONE_MILLION)
    of: Literal["base", "cap", "surrendered"]
    credits: Credits | None = None
    other_than: Credits | None = None

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if (self.credits is None) == (self.other_than is None):
            raise ValueError("a part is of some credits, or of those other than some")
        return self

    def take(self, batch: Batch) -> bool:
        """Whether these credits belong to the part."""
        if self.credits is not None:
            return self.credits.take(batch)
        return self.other_than is not None and not self.other_than.take(batch)

    def is_all_of(self, symbol: str) -> bool:
        """Whether whatever trades as `symbol` belongs to the part, and nothing else is asked."""
        return (
            self.credits is not None
            and self.credits == Credits(symbols=self.credits.symbols)
            and (symbol in self.credits.symbols)
        )


class Rule(_Strict):
    """One scheme's rule, the same for all years from `first_year` to `last_year`."""

    scheme: str
    name: str
    name_zh: str
    first_year: int
    last_year: int | None = None
    ratio_ppm: int = Field(ge=0, le=ONE_MILLION)
    base: Base
    source: str
    # The figures that no official text confirms.
    unverified: tuple[str, ...] = ()
    note: str | None = None
    time_zone: str = "Asia/Shanghai"
    deadline: Deadline
    # By when the use of credits must be applied for; here the surrender is the application.
    application_deadline: Deadline | None = None
    scheme_quota: int | None = Field(default=None, ge=0)
    firm_limit: int | None = Field(default=None, ge=0)
    # A credit is admitted that one of them takes.
    admitted: tuple[Credits, ...] = (Credits(),)
    parts: tuple[Part, ...] = ()

    @property
    def verified(self) -> bool:
        return not self.unverified

    def covers(self, year: int) -> bool:
        return self.first_year <= year <= (self.last_year or year)

    def cap(self, base_quantity: int) -> int:
        """How much of the base may be offset, in whole tonnes."""
        cap = self.ratio_ppm * base_quantity // ONE_MILLION
        return cap if self.firm_limit is None else min(cap, self.firm_limit)

    def admit(self, batch: Batch) -> bool:
        """Whether these credits may be surrendered."""
        return any(credits.take(batch) for credits in self.admitted)

    def admit_project(self, project: Project) -> bool:
        """Whether credits of the project may be surrendered, if their date is right."""
        return any(credits.take_project(project) for credits in self.admitted)

    def deadline_ns(self, year: int) -> int:
        """The end of the last day on which credits may be surrendered for `year`."""
        return self._end_ns(self.deadline.last_day(year))

    def application_deadline_ns(self, year: int) -> int | None:
        """The end of the last day on which their use may be applied for."""
        if self.application_deadline is None:
            return None
        return self._end_ns(self.application_deadline.last_day(year))

    def closes_ns(self, year: int) -> int:
        """When it is too late for `year`: the earlier of the two."""
        application_ns = self.application_deadline_ns(year)
        deadline_ns = self.deadline_ns(year)
        return deadline_ns if application_ns is None else min(deadline_ns, application_ns)

    def this_year(self, time_ns: int) -> int:
        return utc_moment(time_ns).astimezone(ZoneInfo(self.time_zone)).year

    def open_years(self, time_ns: int) -> list[int]:
        """Compliance years that have begun and can still be surrendered for, the oldest first."""
        this_year = self.this_year(time_ns)
        years = range(self.first_year, min(this_year, self.last_year or this_year) + 1)
        return [year for year in years if time_ns < self.closes_ns(year)]

    def _end_ns(self, last_day: date) -> int:
        zone = ZoneInfo(self.time_zone)
        return nanoseconds(
            datetime.combine(last_day + timedelta(days=1), datetime.min.time(), zone)
        )


class Scheme(NamedTuple):
    """A scheme's rules, the oldest first."""

    code: str
    rules: tuple[Rule, ...]

    def open_years(self, time_ns: int) -> list[int]:
        """Compliance years that can be surrendered for, the oldest first."""
        return [year for one in self.rules for year in one.open_years(time_ns)]


@cache
def schemes() -> dict[str, Scheme]:
    """All schemes by their code, which is the name of their file."""
    files = resources.files("settlement").joinpath("schemes").iterdir()
    return {
        code: read(code, tomllib.loads(file.read_text("utf-8")))
        for file, code in sorted(
            (file, file.name.removesuffix(".toml")) for file in files if file.name.endswith(".toml")
        )
    }


def read(code: str, content: dict[str, Any]) -> Scheme:
    """The scheme of a file's content."""
    common = {name: value for name, value in content.items() if name != "years"}
    found = tuple(
        Rule.model_validate({"scheme": code, **common, **changed}, strict=False)
        for changed in content.get("years", [{}])
    )
    for earlier, later in pairwise(found):
        if earlier.last_year is None or earlier.last_year >= later.first_year:
            raise ValueError(f"{code}: the rules' years follow each other")
    return Scheme(code, found)


def scheme(code: str) -> Scheme:
    """The scheme. Raises Refused `not_found`."""
    found = schemes().get(code)
    if found is None:
        raise Refused(
            "not_found", "There is no such scheme.", detail_zh="没有该履约体系。", field="scheme"
        )
    return found


def rule(code: str, year: int) -> Rule:
    """The scheme's rule for a year. Raises Refused `not_found` and, without one, `not_eligible`."""
    for found in scheme(code).rules:
        if found.covers(year):
            return found
    raise Refused(
        "not_eligible",
        "The scheme has no rule for this year.",
        detail_zh="该履约体系没有该年度的规则。",
        field="year",
    )
