"""Exports over HTTP to a registry that fails, keeps silent and repeats: each counts once."""

from __future__ import annotations

import pytest
from example_registry import example_registry
from sqlalchemy import func, select

from settlement import operations, set_aside
from settlement.outside_registry import HttpRegistry, Reply, Unreachable, settle_exports
from settlement.tables.registry import Movement


def begin_export(credit_registry, quantity: int = 40, to_registry: str = "CCER") -> str:
    batch_id = credit_registry.issue(2024, 100)
    body = {"to_registry": to_registry, "to_account": "A-1"}
    request = operations.Request(1, "export", body)
    prepare = set_aside.export(quantity, batch_id)
    answer = operations.perform(
        credit_registry.database, credit_registry.exchange, request, prepare
    )
    return answer["export_id"]


def settle(credit_registry, registries) -> int:
    return settle_exports(credit_registry.database, credit_registry.exchange, registries)


@pytest.mark.parametrize(
    ("script", "rounds", "status", "taken"),
    [
        ([], 1, "exported", 1),
        (["fail before"], 2, "exported", 1),
        (["fail after"], 2, "exported", 1),
        (["babble", "think"], 3, "exported", 1),
        (["keep silent", "fail after", "fail before"], 4, "exported", 1),
        (["refuse"], 1, "held", 0),
        (["fail before", "think", "refuse"], 3, "held", 0),
    ],
)
def test_an_export_counts_once_whatever_the_other_side_does(
    credit_registry, script, rounds, status, taken
):
    export_id = begin_export(credit_registry)
    with example_registry() as other:
        other.script = list(script)
        registries = {"CCER": HttpRegistry(other.url, timeout_seconds=0.3)}
        ended = [settle(credit_registry, registries) for _ in range(rounds)]
        assert ended == [*[0] * (rounds - 1), 1]
        assert settle(credit_registry, registries) == 0
        assert (other.requests, len(other.taken)) == (rounds, taken)
        if taken:
            assert other.taken[export_id]["serials"] == [
                {
                    "start": "GD-PH-2024-1",
                    "end": "GD-PH-2024-40",
                    "quantity": "40",
                    "batch_id": "B00000001",
                }
            ]
    is_here = ("GD-PH-2024-1..40", "held") in credit_registry.holdings(1)
    assert is_here == (status == "held")
    with credit_registry.database.read() as session:
        moved = session.scalar(
            select(func.count()).where(Movement.start_number == 1, Movement.end_number == 40)
        )
    assert moved == 2  # set aside, and its one end
    credit_registry.check()


def test_an_export_to_a_registry_without_an_adapter_waits(credit_registry):
    begin_export(credit_registry, to_registry="GS")
    with example_registry() as other:
        assert settle(credit_registry, {"CCER": HttpRegistry(other.url)}) == 0
        assert other.requests == 0
    assert ("GD-PH-2024-1..40", "pending_export") in credit_registry.holdings(1)


def test_a_registrar_who_is_faster_is_not_overruled(credit_registry):
    export_id = begin_export(credit_registry)

    class Slow:
        def announce(self, *_: object) -> Reply:
            credit_registry.perform(1, "x", set_aside.end(export_id, set_aside.ARRIVAL))
            return Reply.ACCEPTED

    assert settle(credit_registry, {"CCER": Slow()}) == 0
    assert credit_registry.holdings(1) == [("GD-PH-2024-41..100", "held")]


def test_nobody_there_is_unreachable():
    with example_registry() as other:
        url = other.url
    with pytest.raises(Unreachable):
        HttpRegistry(url, timeout_seconds=0.3).announce("e", {})
