"""The rules of offset schemes, read from the files in settlement/schemes."""

from __future__ import annotations

import tomllib
from datetime import date, datetime, timedelta, timezone
from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict

from engine.times import nanoseconds, utc_moment
from engine.units import ONE_MILLION
from settlement.blocks import Criteria
from settlement.errors import Refused

BEIJING = timezone(timedelta(hours=8))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Deadline(_Strict):
    """The last day to surrender, counted from the compliance year."""

    years_after: int
    month: int
    day: int


class Limits(_Strict):
    """Which credits may be used; a list that is not there forbids nothing."""

    symbols: tuple[str, ...] = ()
    excluded_types: tuple[str, ...] = ()
    first_vintage: int | None = None


class Rule(_Strict):
    """One scheme's rule, the same for all years from `first_year` to `last_year`."""

    scheme: str
    name: str
    first_year: int
    last_year: int | None = None
    ratio_ppm: int
    base: str
    source: str
    verified: bool
    scheme_quota: int | None = None
    deadline: Deadline | None = None
    limits: Limits = Limits()

    def cap(self, base_quantity: int) -> int:
        """How much of the base may be offset, in whole tonnes."""
        return self.ratio_ppm * base_quantity // ONE_MILLION

    def deadline_ns(self, year: int) -> int | None:
        """The end of the last day on which credits may be surrendered for `year`."""
        if self.deadline is None:
            return None
        last_day = date(year + self.deadline.years_after, self.deadline.month, self.deadline.day)
        midnight = datetime.combine(last_day + timedelta(days=1), datetime.min.time(), BEIJING)
        return nanoseconds(midnight)

    def open_years(self, time_ns: int) -> list[int]:
        """Compliance years that have begun and can still be surrendered for, the oldest first."""
        this_year = utc_moment(time_ns).astimezone(BEIJING).year
        years = range(self.first_year, min(this_year, self.last_year or this_year) + 1)
        return [
            year
            for year in years
            if (year == this_year if self.deadline is None else self._is_open(year, time_ns))
        ]

    def criteria(self) -> Criteria:
        """Which blocks may be surrendered."""
        limits = self.limits
        return Criteria(
            symbols=limits.symbols,
            excluded_types=limits.excluded_types,
            first_vintage=limits.first_vintage,
        )

    def _is_open(self, year: int, time_ns: int) -> bool:
        deadline_ns = self.deadline_ns(year)
        return deadline_ns is None or time_ns < deadline_ns


@cache
def rules() -> dict[str, Rule]:
    """All schemes by their code, which is the name of their file."""
    files = resources.files("settlement").joinpath("schemes").iterdir()
    return {
        code: Rule.model_validate(
            {"scheme": code, **tomllib.loads(file.read_text("utf-8"))}, strict=False
        )
        for file, code in sorted(
            (file, file.name.removesuffix(".toml")) for file in files if file.name.endswith(".toml")
        )
    }


def rule(scheme: str) -> Rule:
    """The scheme's rule. Raises Refused `not_found`."""
    found = rules().get(scheme)
    if found is None:
        raise Refused("not_found", "There is no such scheme.", field="scheme")
    return found
