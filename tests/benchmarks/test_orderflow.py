"""The order-flow replay: a small file by hand, and the real hour."""

import gzip
from pathlib import Path

import pytest

from benchmarks import orderflow
from benchmarks.orderflow import Result

DATA = Path(__file__).parents[3] / "shared" / "data" / "orderflow"
HOUR = DATA / "aapl_2012-06-21_0930_1030.csv.gz"
HEADER = "seq,cmd,order_id,side,price_e4,qty,expected_resting_id,ask,ask_qty,bid,bid_qty,oracle"
ROWS = """
0,ADD,1,B,10000,10,,0,0,10000,10,1
1,ADD,2,B,10000,5,,0,0,10000,15,1
2,ADD,3,S,10200,4,,10200,4,10000,15,1
3,REDUCE,1,B,10000,3,,10200,4,10000,12,1
4,IOC,X,S,10000,7,1,10200,4,10000,5,1
5,ADD,4,B,10000,6,,10200,4,10000,11,1
6,FORCE_REDUCE,X,S,10000,6,4,10200,4,10000,5,1
7,HIDDEN_EXEC,0,S,10100,9,,10200,4,10000,5,0
8,CANCEL,2,B,10000,5,,10200,4,0,0,1
""".strip().split("\n")


def _file(tmp_path: Path, rows: list[str]) -> Path:
    path = tmp_path / "flow.csv.gz"
    path.write_bytes(gzip.compress("\n".join([HEADER, *rows]).encode("ascii")))
    return path


def test_a_small_flow_is_replayed(tmp_path: Path) -> None:
    """A reduced order keeps its place, a forced reduction may empty it, quotes agree throughout."""
    result = orderflow.run(_file(tmp_path, ROWS))
    result.seconds = 0.0
    expected = Result(
        rows=9, aggressors=1, aggressors_as_expected=1, states=8, states_as_expected=8
    )
    assert result == expected


def test_differences_are_counted(tmp_path: Path) -> None:
    """An aggressor that met another order, and a quote that was not there, do not count."""
    rows = ROWS.copy()
    rows[4] = rows[4].replace(",7,1,", ",7,2,")
    rows[1] = rows[1].replace(",15,1", ",14,1")
    result = orderflow.run(_file(tmp_path, rows))
    assert (result.aggressors, result.aggressors_as_expected) == (1, 0)
    assert (result.states, result.states_as_expected) == (8, 7)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("9,DANCE,1,B,10000,1,,0,0,0,0,0", "unknown command 'DANCE'"),
        ("9,ADD,9,B,10050,1,,0,0,0,0,0", "between two ticks"),
        ("9,ADD,9,B,10000,0,,0,0,0,0,0", "code 100"),
        ("9,ADD,9,B,10300,1,,0,0,0,0,0", "has traded"),
    ],
)
def test_a_wrong_row_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str, complaint: str
) -> None:
    """The command says which row it stopped at, and why."""
    assert orderflow.main([str(_file(tmp_path, [*ROWS[:7], row]))]) == 1
    error = capsys.readouterr().err
    assert "9" in error
    assert complaint in error


def test_the_real_hour_fills_as_it_did() -> None:
    """Every aggressor meets the order that it met on NASDAQ, and every known quote agrees."""
    if not HOUR.exists():
        pytest.skip(f"{HOUR} is absent")
    result = orderflow.run(HOUR)
    assert (result.aggressors, result.aggressors_as_expected) == (4_058, 4_058)
    assert (result.states, result.states_as_expected) == (91_722, 91_722)
