"""`puhui replay`, `snapshot`, `backup`, `restore`: beside a running core and without one."""

import asyncio
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from core_driver import BUYER, LIMITS, SELLER, connected, order, running_core, set_up_commands
from typer.testing import CliRunner, Result

from api import cli_journal
from api.backup import DATABASE, MANIFEST
from api.cli import app
from engine.codes import Side
from engine.event_log import EVENTS_FOLDER
from engine.journal import JOURNAL_FOLDER, Journal
from engine.matching.engine import Engine
from engine.matching.reference import ReferenceEngine
from engine.snapshot import SNAPSHOTS_FOLDER, list_snapshots, read_header
from engine.state import state_hash


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def _last_line(result: Result) -> str:
    """In a process of its own the log would go elsewhere."""
    return result.stdout.splitlines()[-1]


def _orders(count: int) -> np.ndarray:
    return np.concatenate(
        [
            order(BUYER if number % 2 else SELLER, _side(number), 10_000, number)
            for number in range(1, count + 1)
        ]
    )


def _side(number: int) -> Side:
    return Side.BUY if number % 2 else Side.SELL


def _hash_after(data_dir: Path, sequence: int) -> str:
    """By the reference engine."""
    journal = Journal(data_dir / JOURNAL_FOLDER, LIMITS)
    commands = np.concatenate(list(journal.read()))[:sequence]
    journal.close()
    engine = ReferenceEngine(LIMITS)
    engine.apply(commands)
    return state_hash(engine.export())


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A folder with 36 commands in two batches, and a database."""
    folder = tmp_path / "data"

    async def fill() -> None:
        async with running_core(folder), connected(folder) as client:
            await client.submit(set_up_commands())
            await client.submit(_orders(30))

    asyncio.run(fill())
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE notes (text TEXT)")
        database.execute("INSERT INTO notes VALUES ('kept')")
        database.commit()
    return folder


@pytest.mark.parametrize("until", [6, 7, 20, 36])
@pytest.mark.parametrize("options", [[], ["--in-full"]])
def test_replay_gives_the_hash_after_any_command(
    data_dir: Path, until: int, options: list[str]
) -> None:
    """In the middle of a batch too, and with a snapshot behind or ahead of it."""
    assert _run("snapshot", "--data", data_dir).exit_code == 0
    result = _run("replay", "--data", data_dir, "--until", until, *options)
    assert _last_line(result) == f"{until} {_hash_after(data_dir, until)}"


def test_replay_prints_accounts_and_books(data_dir: Path) -> None:
    """One JSON object a row; without --until, of the last command."""
    result = _run("replay", "--data", data_dir, "--accounts", "--books", "--until", "7")
    rows = [json.loads(line) for line in result.stdout.splitlines()[1:]]
    assert [row["row"] for row in rows] == [
        *("account", "account", "position", "position", "order")
    ]
    assert (rows[-1]["price_ticks"], rows[-1]["remaining_lots"]) == (10_000, 1)
    assert _run("replay", "--data", data_dir).stdout.startswith("36 ")


def test_replay_of_a_command_that_is_not_there(data_dir: Path) -> None:
    """It is said in a sentence."""
    result = _run("replay", "--data", data_dir, "--until", "37")
    assert result.exit_code == 1
    assert "commands from 37 on are missing" in result.stderr


def test_snapshot_without_a_core(data_dir: Path) -> None:
    """The next start finds the state after the last command."""
    result = _run("snapshot", "--data", data_dir)
    (path,) = list_snapshots(data_dir / SNAPSHOTS_FOLDER)
    header = read_header(path)
    assert (header.sequence, header.state_hash) == (36, _hash_after(data_dir, 36))
    assert _last_line(result) == f"36 {header.state_hash}"


async def test_tools_beside_a_running_core(data_dir: Path, tmp_path: Path) -> None:
    """They read up to the last command that is on disk; the core's lock is no obstacle."""
    async with running_core(data_dir, make_engine=Engine), connected(data_dir) as client:
        await client.submit(order(BUYER, Side.BUY, 9_500, 99))
        _, digest = await client.state_hash()
        for tool in (["replay"], ["snapshot"]):
            result = await asyncio.to_thread(_run, *tool, "--data", data_dir)
            assert _last_line(result) == f"37 {digest}"
        verify = ["verify", "--data", str(data_dir)]
        result = await asyncio.to_thread(CliRunner().invoke, cli_journal.app, verify)
        assert _last_line(result).startswith("37 commands"), result.stderr
        copied = await asyncio.to_thread(_run, "backup", tmp_path / "copy", "--data", data_dir)
        assert "up to command 37" in copied.stdout, copied.stderr
        await client.submit(order(BUYER, Side.BUY, 9_500, 100))
    result = _run("restore", tmp_path / "copy", "--data", tmp_path / "again")
    assert "up to command 37" in result.stdout, result.stderr
    async with running_core(tmp_path / "again", make_engine=Engine) as core:
        assert core.released_sequence == 37
        async with connected(tmp_path / "again") as client:
            assert (await client.state_hash())[1] == digest


def test_a_backup_has_the_database_and_whole_files_only(data_dir: Path, tmp_path: Path) -> None:
    """The database as one file; of the journal's preallocated segment only what is written."""
    assert _run("backup", tmp_path / "copy", "--data", data_dir).exit_code == 0
    (segment,) = (tmp_path / "copy" / JOURNAL_FOLDER).glob("*.journal")
    assert segment.stat().st_size < 20_000
    _run("restore", tmp_path / "copy", "--data", tmp_path / "again")
    with closing(sqlite3.connect(tmp_path / "again" / DATABASE)) as database:
        assert database.execute("SELECT text FROM notes").fetchall() == [("kept",)]
    (events,) = (data_dir / EVENTS_FOLDER).glob("*.events")
    again = tmp_path / "again" / EVENTS_FOLDER / events.name
    assert again.read_bytes() == events.read_bytes()


def test_a_changed_backup_is_not_restored(data_dir: Path, tmp_path: Path) -> None:
    """Whatever file it is in, and wherever; an unfinished one is none at all."""
    copy = tmp_path / "copy"
    _run("backup", copy, "--data", data_dir)
    for number, path in enumerate(path for path in copy.rglob("*") if path.is_file()):
        sound = path.read_bytes()
        path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
        result = _run("restore", copy, "--data", tmp_path / f"again{number}")
        assert result.exit_code == 2, path
        path.write_bytes(sound)
    (copy / MANIFEST).unlink()
    assert "no finished backup" in _run("restore", copy, "--data", tmp_path / "last").stderr


def test_nothing_is_overwritten(data_dir: Path, tmp_path: Path) -> None:
    """Backup and restore want a folder of their own."""
    for arguments in (
        ["backup", data_dir, "--data", data_dir],
        ["restore", tmp_path, "--data", data_dir],
    ):
        result = _run(*arguments)
        assert result.exit_code == 2
    _run("backup", tmp_path / "copy", "--data", data_dir)
    before = sorted(os.listdir(data_dir))
    result = _run("restore", tmp_path / "copy", "--data", data_dir)
    assert "is not an empty folder" in result.stderr
    assert sorted(os.listdir(data_dir)) == before


def test_a_server_database_is_its_servers_to_dump(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said what to do, and with --without-database the rest is copied."""
    monkeypatch.setenv("PUHUI_DATABASE_URL", "postgresql+psycopg://nobody@nowhere/none")
    result = _run("backup", tmp_path / "copy", "--data", data_dir)
    assert (result.exit_code, "--without-database" in result.stderr) == (2, True)
    result = _run("backup", tmp_path / "other", "--data", data_dir, "--without-database")
    assert result.exit_code == 0
    assert not (tmp_path / "other" / DATABASE).exists()


def test_archive_wants_a_database_that_has_the_events(data_dir: Path) -> None:
    """This one has no checkpoint, so nothing goes; and never beside a core."""

    def run() -> Result:
        return CliRunner().invoke(cli_journal.app, ["archive", "--data", str(data_dir)])

    assert "0 segments archived" in run().stdout
    journal = Journal(data_dir / JOURNAL_FOLDER, LIMITS)
    result = run()
    journal.close()
    assert result.exit_code == 1
    assert "another core holds the journal" in result.stderr
