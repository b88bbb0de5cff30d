"""Methodologies, projects, issues, transfers, pledges, and what the registry shows."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from settlement import registry, registry_views
from settlement.errors import Refused
from settlement.registry import NewBatch, NewProject
from settlement.tables.registry import Batch, Methodology


def test_issues_of_one_prefix_and_vintage_continue_the_serials(credit_registry):
    credit_registry.issue(2024, 100)
    credit_registry.issue(2024, 50)
    credit_registry.issue(2025, 50)
    credit_registry.issue(2024, 10, "GD-X")
    assert credit_registry.holdings(1) == [
        ("GD-PH-2024-1..100", "held"),
        ("GD-PH-2024-101..150", "held"),
        ("GD-PH-2025-1..50", "held"),
        ("GD-X-2024-1..10", "held"),
    ]
    credit_registry.check()


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        (lambda s: registry.add_methodology(s, "GD-BUS", "Again", "2"), "conflict", "code"),
        (
            lambda s: registry.add_project(s, NewProject("n", "NONE", "r", "t", 1)),
            "not_found",
            "methodology",
        ),
        (
            lambda s: registry.add_project(
                s, NewProject("n", "GD-BUS", "r", "t", 1, project_id="P000001")
            ),
            "conflict",
            "project_id",
        ),
        (lambda s: registry.issue(s, NewBatch("P9", 2024, 1, "X")), "not_found", "project_id"),
        (
            lambda s: registry.issue(s, NewBatch("P000001", 2024, 2**45 + 1, "X")),
            "quantity_too_large",
            "quantity",
        ),
        (
            lambda s: registry.issue(s, NewBatch("P000001", 2024, 9, "GD-PH", first_number=92)),
            "conflict",
            None,
        ),
    ],
)
def test_what_cannot_be_registered_is_refused(credit_registry, change, code, field):
    credit_registry.issue(2024, 100)
    with pytest.raises(Refused) as refused:
        credit_registry.database.write(change).result()
    assert (refused.value.code, refused.value.field) == (code, field)
    assert credit_registry.holdings(1) == [("GD-PH-2024-1..100", "held")]


def test_a_withdrawn_methodology_takes_no_projects(credit_registry):
    def work(session):
        registry.add_methodology(session, "OLD", "Old", "1", "withdrawn")
        registry.add_project(session, NewProject("n", "OLD", "r", "t", 1))

    with pytest.raises(Refused, match="not in force"):
        credit_registry.database.write(work).result()


def test_a_transfer_moves_the_lowest_serials_of_the_batch(credit_registry):
    credit_registry.issue(2023, 10)
    batch_id = credit_registry.issue(2024, 100)
    answer = credit_registry.perform(1, "transfer", registry.transfer("beta", 30, batch_id))
    assert answer["status"] == "completed"
    assert answer["serials"] == [
        {"start": "GD-PH-2024-1", "end": "GD-PH-2024-30", "quantity": "30", "batch_id": batch_id}
    ]
    assert credit_registry.holdings(1) == [
        ("GD-PH-2023-1..10", "held"),
        ("GD-PH-2024-31..100", "held"),
    ]
    assert credit_registry.holdings(2) == [("GD-PH-2024-1..30", "held")]


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (registry.transfer("nobody", 1, "B00000001"), "not_found"),
        (registry.transfer("alpha", 1, "B00000001"), "invalid_request"),
        (registry.transfer("beta", 101, "B00000001"), "insufficient_credits"),
        (registry.transfer("beta", 1, "B9"), "insufficient_credits"),
        (registry.pledge(101, "B00000001"), "insufficient_credits"),
        (registry.release("nothing"), "not_found"),
    ],
)
def test_an_impossible_transfer_or_pledge_changes_nothing(credit_registry, prepare, code):
    credit_registry.issue(2024, 100)
    with pytest.raises(Refused) as refused:
        credit_registry.perform(1, "any", prepare)
    assert refused.value.code == code
    assert credit_registry.holdings(1) == [("GD-PH-2024-1..100", "held")]


def test_pledged_credits_stay_put_until_they_are_released(credit_registry):
    batch_id = credit_registry.issue(2024, 100)
    pledge = credit_registry.perform(1, "pledge", registry.pledge(60, batch_id))
    with pytest.raises(Refused, match="insufficient_credits"):
        credit_registry.perform(1, "transfer", registry.transfer("beta", 41, batch_id))
    with pytest.raises(Refused, match="not_found"):
        credit_registry.perform(2, "release", registry.release(pledge["pledge_id"]))

    credit_registry.perform(1, "release", registry.release(pledge["pledge_id"]))
    with pytest.raises(Refused, match="released already"):
        credit_registry.perform(1, "release", registry.release(pledge["pledge_id"]))
    credit_registry.perform(1, "transfer", registry.transfer("beta", 100, batch_id))
    assert credit_registry.holdings(1) == []
    credit_registry.check()


def test_lists_come_newest_first_in_pages(credit_registry):
    for code in "ABC":
        credit_registry.database.write(
            lambda session, code=code: registry.add_methodology(session, code, code, "1")
        ).result()
    with credit_registry.database.read() as session:
        statement = select(Methodology)
        rows, cursor = registry_views.page(session, statement, Methodology.number, 2**62, 3)
        assert [row.code for row in rows] == ["C", "B", "A"]
        assert cursor is not None
        rows, cursor = registry_views.page(session, statement, Methodology.number, int(cursor), 3)
        assert [row.code for row in rows] == ["GD-BUS"]
        assert cursor is None


def test_a_batch_shows_what_became_of_its_credits(credit_registry):
    batch_id = credit_registry.issue(2024, 100)
    credit_registry.deposit(1, 30)
    with credit_registry.database.read() as session:
        shown = registry_views.show_batch_in_full(session, batch_id)
        row = session.scalars(select(Batch)).one()
        assert shown.items() >= registry_views.show_batch(row).items()
        with pytest.raises(Refused, match="not_found"):
            registry_views.show_batch_in_full(session, "B9")
    assert shown["serials"] == {"start": "GD-PH-2024-1", "end": "GD-PH-2024-100"}
    assert (shown["quantities"]["held"], shown["quantities"]["custody"]) == ("70", "30")
