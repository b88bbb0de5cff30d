"""The workloads of single commands do what their names say."""

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.single_commands import (
    ACCOUNTS,
    CASES,
    Stage,
    Workload,
    amend_keeping_priority,
    new_crossing,
    quote_moved,
    replace_order,
)
from engine.codes import EventKind, Reason
from engine.records import ORDER_EVENT

COUNT = 2 * ACCOUNTS + 100  # every account's quote comes by more than twice


def _events(case: Callable[[int], Workload]) -> np.ndarray:
    stage = Stage(case(COUNT))
    return np.concatenate([stage.engine.apply(batch).copy() for batch in stage.batches(256)])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_every_command_gives_what_it_should(case: Callable[[int], Workload]) -> None:
    """Accepted, or refused where that is the point, and with as many events as is said."""
    workload = case(COUNT)
    events = _events(case)
    assert len(events) == workload.events >= len(workload.measured)
    assert np.all((events["code"] != 0) == workload.are_refused)
    assert len(np.unique(workload.measured["kind"])) == 1


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (amend_keeping_priority, Reason.PRIORITY_KEPT),
        (replace_order, Reason.PRIORITY_LOST),
        (quote_moved, Reason.PRIORITY_LOST),
    ],
)
def test_priority_is_kept_or_lost(case: Callable[[int], Workload], reason: Reason) -> None:
    """Each amended order tells what became of its place."""
    events = _events(case)
    amended = events.view(ORDER_EVENT)[events["kind"] == EventKind.ORDER_AMENDED]
    assert len(amended) >= COUNT
    assert set(amended["reason"]) == {reason}


def test_crossing_orders_trade_once_each() -> None:
    """Half of the events are trades, and nothing is left of either side."""
    stage = Stage(new_crossing(COUNT))
    kinds = [stage.engine.apply(batch)["kind"].copy() for batch in stage.batches(256)]
    assert np.count_nonzero(np.concatenate(kinds) == EventKind.TRADE) == COUNT
    assert int(stage.engine.arrays.book.pool[0]["open_orders"]) == 0
