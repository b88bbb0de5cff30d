"""The challenge's harness: small workloads with their lines, and the published hashes."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import challenge
from benchmarks.challenge import BATCH_MESSAGES, MESSAGE, Harness, WorkloadError

DATA = Path(__file__).parents[3] / "shared" / "data" / "challenge"
BUY, SELL = 0, 1
PUBLISHED = {
    "normal": "e9b2e3926854410b01a035aeb25dd05f1e597c233be8263de9eb49b6713d367e",
    "flash-crash": "cff8d3f94b709fc64a8b2058a6ca4fb6920364904796e46906895e362d2bb16b",
}

PLAIN_COLUMNS = {name: [1] for name in MESSAGE.names or ()}


def _new(oid: int, side: int, px: int, qty: int, ioc: int = 0) -> tuple[int, ...]:
    return (oid, px, qty, 0, side, ioc)


def _cancel(oid: int) -> tuple[int, ...]:
    return (oid, 0, 0, 1, 0, 0)


def _modify(oid: int, side: int, px: int, qty: int) -> tuple[int, ...]:
    return (oid, px, qty, 2, side, 0)


WORKLOADS = {
    "rest and cancel": (
        [_new(7, BUY, 100, 5), _cancel(7)],
        ["0,0,0,7,100,5", "2,1,0,7,100"],
    ),
    "exact fills across levels, at resting prices": (
        [
            _new(1, SELL, 101, 5),
            _new(2, SELL, 100, 3),
            _new(3, SELL, 101, 2),
            _new(4, BUY, 101, 10),
            _cancel(4),
        ],
        [
            "0,0,1,1,101,5",
            "0,1,1,2,100,3",
            "0,2,1,3,101,2",
            "0,3,0,4,101,10",
            "1,3,100,3,2,4",
            "1,3,101,5,1,4",
            "1,3,101,2,3,4",
            "4,4,4",
        ],
    ),
    "a cancel in the middle of a queue, then a sweep": (
        [
            _new(1, BUY, 50, 1),
            _new(2, BUY, 50, 2),
            _new(3, BUY, 50, 3),
            _cancel(2),
            _new(4, SELL, 50, 9),
        ],
        [
            "0,0,0,1,50,1",
            "0,1,0,2,50,2",
            "0,2,0,3,50,3",
            "2,3,0,2,50",
            "0,4,1,4,50,9",
            "1,4,50,1,1,4",
            "1,4,50,3,3,4",
        ],
    ),
    "an IOC's remainder": (
        [_new(1, SELL, 10, 1), _new(2, BUY, 12, 4, ioc=1), _cancel(2)],
        ["0,0,1,1,10,1", "0,1,0,2,12,4", "1,1,10,1,1,2", "2,1,0,2,12", "4,2,2"],
    ),
    "a modify that crosses, with its fills first": (
        [
            _new(1, SELL, 20, 4),
            _new(2, BUY, 10, 6),
            _modify(2, BUY, 20, 9),
            _modify(2, BUY, 20, 2),
            _new(3, SELL, 20, 2),
        ],
        [
            "0,0,1,1,20,4",
            "0,1,0,2,10,6",
            "1,2,20,4,1,2",
            "3,2,0,2,20,9",
            "3,3,0,2,20,2",
            "0,4,1,3,20,2",
            "1,4,20,2,2,3",
        ],
    ),
    "a modify that is filled whole": (
        [_new(1, SELL, 20, 4), _new(2, BUY, 10, 6), _modify(2, BUY, 20, 3), _cancel(2)],
        ["0,0,1,1,20,4", "0,1,0,2,10,6", "1,2,20,3,1,2", "3,2,0,2,20,3", "4,3,2"],
    ),
    "a modify loses priority": (
        [
            _new(1, BUY, 10, 1),
            _new(2, BUY, 10, 1),
            _modify(1, BUY, 10, 1),
            _new(3, SELL, 10, 1),
        ],
        ["0,0,0,1,10,1", "0,1,0,2,10,1", "3,2,0,1,10,1", "0,3,1,3,10,1", "1,3,10,1,2,3"],
    ),
    "ids never issued, closed, and used again on the other side": (
        [
            _cancel(0),
            _modify(9, SELL, 5, 5),
            _new(0, BUY, 30, 1),
            _cancel(0),
            _modify(0, BUY, 30, 1),
            _new(0, SELL, 31, 2),
            _cancel(0),
            _cancel(0),
        ],
        [
            "4,0,0",
            "5,1,9",
            "0,2,0,0,30,1",
            "2,3,0,0,30",
            "5,4,0",
            "0,5,1,0,31,2",
            "2,6,1,0,31",
            "4,7,0",
        ],
    ),
    "ids far apart": (
        [_new(2**28, BUY, 1, 1), _new(5, BUY, 2**18 - 1, 1), _cancel(2**28)],
        [f"0,0,0,{2**28},1,1", f"0,1,0,5,{2**18 - 1},1", f"2,2,0,{2**28},1"],
    ),
}


def _messages(rows: list[tuple[int, ...]]) -> np.ndarray:
    return np.array(rows, MESSAGE)


@pytest.mark.parametrize("workload", WORKLOADS)
def test_small_workloads_give_their_lines(workload: str) -> None:
    """Each kind of message gives its lines, in order, without a newline at the end."""
    rows, lines = WORKLOADS[workload]
    harness = Harness()
    harness.run(_messages(rows))
    assert harness.report().decode().split("\n") == lines


def test_batches_do_not_show() -> None:
    """A workload longer than a batch gives the lines of its messages one by one."""
    rows = []
    for number in range(2 * BATCH_MESSAGES):
        rows += [_new(number, BUY, 40, 2), _modify(number, BUY, 41, 1), _new(10**6, SELL, 41, 1)]
    together, apart = Harness(), Harness()
    together.run(_messages(rows))
    for row in rows:
        apart.run(_messages([row]))
    assert together.report() == apart.report()
    assert together.report().count(b"\n") == 4 * len(rows) // 3 - 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (_new(1, BUY, 2**18, 1), "price_outside_limits"),
        (_new(1, BUY, 0, 1), "invalid_request"),
        (_new(1, BUY, -5, 1), "invalid_request"),
        (_new(1, SELL, 10, 0), "invalid_request"),
        (_new(1, SELL, 10, 2**27 + 1), "quantity_too_large"),
        (_modify(0, BUY, 2**18, 1), "price_outside_limits"),
    ],
)
def test_what_the_engine_refuses_is_said(row: tuple[int, ...], reason: str) -> None:
    """A message that no report line exists for ends the run and is named, with the reason."""
    harness = Harness()
    with pytest.raises(WorkloadError, match=f"message 1 was refused: {reason}"):
        harness.run(_messages([_new(0, BUY, 10, 1), row]))


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"oid": [1]}, "no column"),
        (PLAIN_COLUMNS | {"type": [3]}, "unknown type"),
        (PLAIN_COLUMNS | {"side": [2]}, "unknown type or side"),
        (PLAIN_COLUMNS | {"oid": [-1]}, "order id"),
        (PLAIN_COLUMNS | {"oid": [1, 2]}, "equally long"),
        (PLAIN_COLUMNS | {"qty": [2**31]}, "qty that is out of bounds"),
    ],
)
def test_a_file_that_is_no_workload_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    columns: dict[str, list[int]],
    complaint: str,
) -> None:
    """The command says what is wrong with the file, and fails."""
    path = tmp_path / "workload.npz"
    np.savez(path, **{name: np.array(values) for name, values in columns.items()})
    assert challenge.main([str(path)]) == 1
    assert complaint in capsys.readouterr().err


def test_the_command_prints_one_json_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line carries the report's hash, the count of messages, the time and the rate."""
    rows, lines = WORKLOADS["a modify that crosses, with its fills first"]
    messages = _messages(rows)
    path = tmp_path / "workload.npz"
    np.savez(path, **{name: messages[name] for name in MESSAGE.names or ()})
    assert challenge.main([str(path)]) == 0
    printed = capsys.readouterr().out
    result = json.loads(printed)
    assert printed.count("\n") == 1
    assert list(result) == ["sha256", "messages", "seconds", "messages_per_second"]
    assert result["sha256"] == hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert result["messages"] == len(rows)


@pytest.mark.parametrize("scenario", PUBLISHED)
def test_the_published_hashes_come_out(scenario: str) -> None:
    """Two million messages give the report on which 160 engines agree, byte for byte."""
    path = DATA / f"workload_{scenario}_seed23.npz"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    assert challenge.run(challenge.load(path)).sha256 == PUBLISHED[scenario]
