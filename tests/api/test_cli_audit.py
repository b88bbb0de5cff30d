"""`puhui audit verify`: an edited, removed or inserted record is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import text
from typer.testing import CliRunner

from api.cli_audit import app
from settlement import identity
from settlement.database import Database


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'puhui.sqlite3'}"


def verify(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["verify", "--data", str(folder), *options])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with five records."""
    database = Database(url(tmp_path))
    database.migrate()
    for number in range(1, 6):
        database.write(
            lambda session, number=number: identity.audit(
                session, "operator", "cash_moved", {"amount": str(number)}
            )
        ).result()
    database.close()
    return tmp_path


def edit(folder: Path, statement: str) -> None:
    """What somebody with access to the database might do."""
    database = Database(url(folder))
    database.write(lambda session: session.execute(text(statement)) and None).result()
    database.close()


@pytest.mark.parametrize(
    ("statement", "first_broken"),
    [
        ('UPDATE audit_records SET subject = \'{"amount":"9"}\' WHERE sequence = 3', 3),
        ("UPDATE audit_records SET actor = 'somebody' WHERE sequence = 1", 1),
        ("UPDATE audit_records SET time_ns = time_ns + 1 WHERE sequence = 5", 5),
        ("UPDATE audit_records SET hash = previous_hash WHERE sequence = 4", 4),
        ("DELETE FROM audit_records WHERE sequence = 2", 3),
        ("DELETE FROM audit_records WHERE sequence = 1", 2),
        ("UPDATE audit_records SET sequence = 9 WHERE sequence = 5", 9),
    ],
)
def test_the_first_broken_record_is_named(folder: Path, statement: str, first_broken: int) -> None:
    """Every column of every record is covered, and so is the order of the records."""
    assert verify(folder).exit_code == 0
    edit(folder, statement)
    result = verify(folder)
    assert result.exit_code == 1
    assert result.stderr == f"broken: record {first_broken} does not continue the chain\n"


def test_a_head_that_was_noted_shows_that_the_end_was_cut_off(folder: Path) -> None:
    """The chain that is left is sound in itself; who kept its head sees that it was longer."""
    head = verify(folder).stdout.removeprefix("intact, head ").strip()
    assert head.startswith("5:")
    assert verify(folder, "--head", head).exit_code == 0
    edit(folder, "DELETE FROM audit_records WHERE sequence = 5")
    assert verify(folder).exit_code == 0
    cut = verify(folder, "--head", head)
    assert (cut.exit_code, cut.stderr) == (1, "broken: the given head is not in the chain\n")
    assert verify(folder, "--head", "five").exit_code == 2


def test_a_folder_without_a_database_is_said_to_be_none(tmp_path: Path) -> None:
    """Exit status 2, so that nobody takes it for an intact chain."""
    assert verify(tmp_path / "nothing").exit_code == 2
