"""`puhui registry import`: its counts, its faults, its exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli_registry import app

HEADER = (
    "Issuance Date,Vintage Start,ID,Name,Country/Area,Project Type,Methodology,Quantity Issued,"
    "Serial Number,Retirement/Cancellation Date,Retirement Beneficiary,Retirement Reason,"
    "Retirement Details\n"
)
GOOD = "2026-04-02,2022-01-01,3005,Biogas,China,Waste,ACM0010,10,7-1-10-VCS-VCU-1-0,,,,\n"
WRONG = "2026-04-02,2022-01-01,3005,Biogas,China,Waste,ACM0010,11,7-21-30-VCS-VCU-1-0,,,,\n"


@pytest.fixture
def run(tmp_path: Path):
    """Runs the command on a file with this content, in the same data folder every time."""

    def call(content: str, *options: str):
        path = tmp_path / "rows.csv"
        path.write_text(content)
        options = ("--data", str(tmp_path / "data"), *options)
        return CliRunner().invoke(app, ["import", str(path), *options])

    return call


def test_the_counts_are_printed_and_a_second_import_adds_nothing(run):
    first = run(HEADER + GOOD)
    assert first.exit_code == 0
    assert "1 rows: 1 new, 0 known before, 0 at fault" in first.stdout
    assert "1 serial blocks of 10 t" in first.stdout
    assert "1 rows: 0 new, 1 known before" in run(HEADER + GOOD).stdout


def test_a_wrong_line_is_named(run):
    answer = run(HEADER + GOOD + WRONG)
    assert answer.exit_code == 1
    assert "line 3: quantity 11, but a serial block of 10" in answer.stderr


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("a,b\n", (), "has no column 'Issuance Date'"),
        (HEADER + GOOD, ("--account", "nobody"), "There is no such account."),
    ],
)
def test_what_cannot_be_imported_at_all_is_said_plainly(run, content, options, message):
    answer = run(content, *options)
    assert answer.exit_code == 2
    assert message in answer.stderr
