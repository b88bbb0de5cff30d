"""Firms with obligations and credits, for tests of offset schemes."""

from __future__ import annotations

from typing import Any

import pytest
from scheme_scenarios import ALPHA, BETA, CREDITS, OK
from sqlalchemy.orm import Session

from engine.times import day_number
from settlement import compliance, operations, registry
from settlement.blocks import Criteria
from settlement.database import Database
from settlement.errors import Refused
from settlement.ports import EnginePort

NUMBERS = {ALPHA: 1, BETA: 2}


class Firms:
    """Firms of a scenario: their obligations, their credits and what they surrender."""

    def __init__(
        self, credit_registry: Any, monkeypatch: pytest.MonkeyPatch, scheme: str, year: int
    ) -> None:
        self.registry, self.monkeypatch = credit_registry, monkeypatch
        self.scheme, self.year = scheme, year
        self.batches: dict[tuple[str, str], str] = {}

    def set_time(self, time_ns: int) -> None:
        self.monkeypatch.setattr(compliance.time, "time_ns", lambda: time_ns)

    def oblige(self, firm: str, base: int) -> int:
        return compliance.set_obligation(
            self.registry.database,
            self.registry.exchange,
            account=firm,
            scheme=self.scheme,
            year=self.year,
            base_quantity=base,
        )

    def give(self, firm: str, name: str, quantity: int) -> None:
        """Issue credits of this kind to the firm; its batch is known by the name."""
        credit = CREDITS[name]
        number = len(self.batches)

        def issue(session: Session) -> str:
            project = registry.NewProject(
                *(name, "GD-BUS", credit.region, credit.type, NUMBERS[firm], credit.symbol),
                labels=credit.labels,
            )
            day = None if credit.first_day is None else day_number(credit.first_day)
            batch = registry.NewBatch(
                registry.add_project(session, project).project_id,
                *(credit.vintage, quantity, f"S{number}"),
                first_day=day,
            )
            return registry.issue(session, batch).batch_id

        self.batches[firm, name] = self.registry.database.write(issue).result()

    def surrender(
        self,
        firm: str,
        quantity: int,
        name: str | None = None,
        *,
        database: Database | None = None,
        port: EnginePort | None = None,
    ) -> str:
        """The outcome: accepted, or the code of the refusal."""
        database, port = database or self.registry.database, port or self.registry.exchange
        criteria = None if name is None else Criteria(batch_id=self.batches[firm, name])
        prepare = compliance.surrender(self.scheme, self.year, quantity, criteria)
        request = operations.Request(NUMBERS[firm], "surrender", {})
        try:
            operations.perform(database, port, request, prepare)
        except Refused as refused:
            return refused.code
        return OK
