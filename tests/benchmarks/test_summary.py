"""A stored run becomes tables: groups, costs beside the first row, machine and load."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import summary


def _result(name: str, median: float, group: str | None = "growth", **extra: Any) -> dict[str, Any]:
    stats = {"rounds": 3, "median": median, "q1": median / 2, "q3": median * 2}
    fullname = f"benchmarks/bench_x.py::{name}"
    return {
        "name": name,
        "fullname": fullname,
        "group": group,
        "stats": stats,
        "extra_info": extra,
    }


def _run(*results: dict[str, Any]) -> dict[str, Any]:
    return {
        "datetime": "2026-11-20T15:00:00+00:00",
        "machine_info": {
            "system": "Linux",
            "python_version": "3.11.7",
            "processor": "A processor",
            "cores": 2,
            "niceness": 10,
            "memory_gib": 24,
        },
        "at_start": {"load_averages": [1.5, 1.0, 0.5]},
        "commit_info": {"id": "0123456789abcdef", "dirty": True},
        "at_end": {"load_averages": [2.5, 2.0, 1.5]},
        "benchmarks": list(results),
    }


def test_rows_are_compared_with_the_first_of_their_group() -> None:
    """Twice the cost is 2.00; a row without a cost is left open."""
    median, least = "ns per message, median", "ns per message, min"
    text = summary.tables(
        _run(
            _result("test_orders[1000]", 0.002, **{median: 100.0, least: 90.0}),
            _result("test_orders[1000000]", 0.004, **{median: 200.0, least: 90.0}),
            _result("test_other", 0.004),
        )
    )
    rows = [line for line in text.splitlines() if line.startswith("| o")]
    assert rows == [
        "| orders[1000] | 3 | 2.000 | 1.000 to 4.000 | 100.0 | 90.0 | 1.00 | 1.00 |",
        "| orders[1000000] | 3 | 4.000 | 2.000 to 8.000 | 200.0 | 90.0 | 2.00 | 1.00 |",
        "| other | 3 | 4.000 | 2.000 to 8.000 |  |  |  |  |",
    ]


def test_groups_keep_their_order_and_own_columns() -> None:
    """A group's notes make columns in its own table only; without a group it is the module's."""
    text = summary.tables(
        _run(_result("test_b", 1, "late", p50=7), _result("test_a", 1, None), _result("test_c", 1))
    )
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## late",
        "## bench_x",
        "## growth",
    ]
    assert text.count("p50") == 1


def test_machine_and_load_are_told() -> None:
    """A reader sees what it ran on, which code, and how busy the machine was."""
    text = summary.tables(_run())
    assert "Measured on 2026-11-20" in text
    assert "Commit 0123456789 with changes. A processor, 2 cores, 24 GiB" in text
    assert "1.50, 1.00, 0.50 before, 2.50, 2.00, 1.50 after. Niceness 10." in text


def test_the_command_prints_the_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it prints is what `tables` gives."""
    run = _run(_result("test_a", 1))
    path = tmp_path / "run.json"
    path.write_text(json.dumps(run), "utf-8")
    assert summary.main([str(path)]) == 0
    assert capsys.readouterr().out == summary.tables(run)


@pytest.mark.parametrize("text", ["no json", "{}"])
def test_a_file_that_is_no_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """The command fails and says why."""
    path = tmp_path / "run.json"
    path.write_text(text, "utf-8")
    assert summary.main([str(path)]) == 1
    assert "benchmarks.summary: " in capsys.readouterr().err
