"""Claims never overlap, reports are issued up to their verification, versions are decided."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from settlement import methodologies, monitoring, registry
from settlement.errors import Refused
from settlement.monitoring import NewReport
from settlement.registry import NewBatch
from settlement.tables.registry import Methodology
from settlement.tables.registry_work import MethodologyVote, ReductionClaim

PROJECT = "P000001"
CLAIMS = st.tuples(st.sampled_from("ab"), st.integers(0, 60), st.integers(0, 20))


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(wanted=st.lists(CLAIMS, min_size=5, max_size=25))
def test_no_day_of_a_source_is_claimed_twice(database, wanted) -> None:
    """Against a plain set of days; every example has sources of its own."""
    known: set[tuple[str, int]] = set()

    def work(session: Session) -> None:
        base = len(session.scalars(select(ReductionClaim)).all())
        for index, (letter, first_day, length) in enumerate(wanted):
            source, last_day = f"{letter}{base}", first_day + length
            days = {(source, day) for day in range(first_day, last_day + 1)}
            claim = (source, first_day, last_day, f"{base}-{index}")
            if days & known:
                with pytest.raises(Refused, match="conflict"):
                    monitoring.claim(session, *claim)
            else:
                monitoring.claim(session, *claim)
                known.update(days)

    database.write(work).result()


def test_the_database_itself_refuses_a_second_claim(database):
    """Whoever writes past the check, the range in the middle of another one is not taken."""

    def work(session: Session) -> None:
        for reference, first_day, last_day in (("R1", 0, 365), ("R2", 100, 110)):
            fields = {"first_day": first_day, "last_day": last_day, "reference": reference}
            session.add(ReductionClaim(source="meter", **fields))
            session.flush()

    with pytest.raises(IntegrityError, match="ck_reduction_claims_overlap"):
        database.write(work).result()


def test_a_report_is_issued_up_to_its_verification(credit_registry):
    database = credit_registry.database
    new = NewReport(PROJECT, "meter", 20_000, 20_100, 100)
    report_id = database.write(lambda s: monitoring.submit(s, new).report_id).result()
    database.write(lambda s: monitoring.verify(s, report_id, "CTI", 90)).result()

    def issue(quantity: int) -> int | None:
        batch = NewBatch(PROJECT, 2024, quantity, "X", report_id=report_id, issue_key="k")
        return database.write(lambda s: registry.issue(s, batch).first_day).result()

    assert issue(60) == 20_000
    assert issue(60) == 20_000  # the same key: the same issue
    batch = NewBatch(PROJECT, 2024, 31, "X", report_id=report_id)
    with pytest.raises(Refused, match="leaves 30 t"):
        database.write(lambda s: registry.issue(s, batch)).result()
    with database.read() as session:
        assert monitoring.find(session, report_id).issued_quantity == 60
    with pytest.raises(Refused, match="verified already"):
        database.write(lambda s: monitoring.verify(s, report_id, "CTI", 0)).result()


@pytest.mark.parametrize(
    ("choices", "status"),
    [
        ("aaa", "recorded"),
        ("aar", "recorded"),
        ("arr", "rejected"),
        ("aarr", "rejected"),
        ("axx", "recorded"),
        ("xxx", "rejected"),
        ("aaaarr", "recorded"),
    ],
)
def test_two_thirds_of_those_for_or_against_decide(credit_registry, choices, status):
    names = {"a": "approve", "r": "reject", "x": "abstain"}

    def work(session: Session) -> tuple[str, str]:
        new = methodologies.Draft("GD-BUS", "2.0", "Bus rides", "Better.")
        methodologies.draft(session, new, "li")
        methodologies.submit(session, "GD-BUS", "2.0")
        methodologies.review(session, "GD-BUS", "2.0", "Sound.", "wang")
        for number, choice in enumerate(choices):
            ballot = MethodologyVote(
                expert=f"E{number}", choice=names[choice], recorded_by="registry"
            )
            methodologies.vote(session, "GD-BUS", "2.0", ballot)
        decided = methodologies.decide(session, "GD-BUS", "2.0")
        known = session.scalars(select(Methodology).where(Methodology.code == "GD-BUS")).one()
        return decided.status, known.version

    expected = (status, "2.0" if status == "recorded" else "1.0")
    assert credit_registry.database.write(work).result() == expected
