"""Which credits a rule means: by product, type, place, methodology, date and confirmed facts.

The words are those of credit_terms.toml. Whatever is unknown of a credit fails the question, so
that a missing or misspelt fact never lets a credit through.
"""

from __future__ import annotations

import tomllib
from datetime import date
from functools import cache
from importlib import resources
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict, model_validator

from engine.times import day_date
from settlement.tables.registry import Batch, Project


class Terms(NamedTuple):
    """The file credit_terms.toml; types and places by their casefolded names."""

    types: dict[str, str]
    places: dict[str, str]
    within: dict[str, str]
    labels: dict[str, str]


@cache
def terms() -> Terms:
    file = resources.files("settlement").joinpath("credit_terms.toml")
    content = tomllib.loads(file.read_text("utf-8"))
    return Terms(
        _by_name(content["types"]),
        _by_name(content["places"]),
        content["within"],
        content["labels"],
    )


def type_code(text: str) -> str | None:
    """The type that a project's own words stand for, if they are known."""
    return terms().types.get(text.casefold())


def place_codes(text: str) -> tuple[str, ...]:
    """The place that a project's own words stand for, and the one around it."""
    place = terms().places.get(text.casefold())
    if place is None:
        return ()
    around = terms().within.get(place)
    return (place,) if around is None else (place, around)


class Credits(BaseModel):
    """A choice of credits: those that meet every field; an empty field asks nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    symbols: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    excluded_types: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    excluded_regions: tuple[str, ...] = ()
    methodologies: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    # Both days belong to the window in which the reductions must have been made.
    reductions_from: date | None = None
    reductions_until: date | None = None

    @model_validator(mode="after")
    def _is_in_these_words(self) -> Self:
        known = terms()
        for names, words in (
            (self.types + self.excluded_types, known.types),
            (self.regions + self.excluded_regions, known.places),
            (self.labels, known.labels),
        ):
            unknown = [name for name in names if words.get(name) is None]
            if unknown:
                raise ValueError(f"credit_terms.toml does not know {unknown}")
        return self

    def take_product(self, symbol: str) -> bool:
        """Whether credits that trade as `symbol` can be meant at all."""
        return not self.symbols or symbol in self.symbols

    def take_project(self, project: Project) -> bool:
        """Whether the project's credits are meant, whatever their date."""
        kind = type_code(project.type)
        places = place_codes(project.region)
        is_type_sought = not self.types or kind in self.types
        is_type_allowed = not self.excluded_types or (
            kind is not None and kind not in self.excluded_types
        )
        is_place_sought = not self.regions or any(place in self.regions for place in places)
        is_place_allowed = not self.excluded_regions or (
            bool(places) and not any(place in self.excluded_regions for place in places)
        )
        return (
            self.take_product(project.symbol or "")
            and is_type_sought
            and is_type_allowed
            and is_place_sought
            and is_place_allowed
            and (not self.methodologies or project.methodology in self.methodologies)
            and set(self.labels) <= set(project.labels)
        )

    def take(self, batch: Batch) -> bool:
        """Whether the credits of this issue are meant."""
        first_day, last_day = reduction_period(batch)
        return (
            (self.reductions_from is None or first_day >= self.reductions_from)
            and (self.reductions_until is None or last_day <= self.reductions_until)
            and self.take_project(batch.project)
        )


def reduction_period(batch: Batch) -> tuple[date, date]:
    """The days within which the reductions were made: by default all of the vintage's year."""
    first_day = date(batch.vintage, 1, 1)
    if batch.first_day is not None:
        first_day = day_date(batch.first_day)
    return first_day, date(batch.vintage, 12, 31)


def _by_name(codes: dict[str, list[str]]) -> dict[str, str]:
    return {name.casefold(): code for code, names in codes.items() for name in (code, *names)}
