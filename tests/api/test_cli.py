"""The command `puhui`: settings, refusals in plain words, and the journal's tools."""

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from core_driver import BUYER, connected, order, running_core, set_up_commands
from typer.testing import CliRunner, Result

from api import cli_journal
from api.cli import app
from api.settings import Settings, is_loopback
from api.supervisor import environment_of
from engine.codes import Side
from engine.journal import JOURNAL_FOLDER


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A folder whose journal holds seven commands."""

    async def fill() -> None:
        async with running_core(tmp_path), connected(tmp_path) as client:
            await client.submit(set_up_commands())
            await client.submit(order(BUYER, Side.BUY, 9_500, 1))

    asyncio.run(fill())
    return tmp_path


def test_the_installed_command_knows_its_tools() -> None:
    """`puhui --help`, as a process, names every command and every tool."""
    result = subprocess.run(
        [sys.executable, "-m", "api.cli", "--help"], capture_output=True, text=True, check=True
    )
    processes = ("serve", "core", "back-office", "gateway", "demo-maker")
    tools = ("settle", "registry", "journal", "replay", "snapshot", "backup", "restore")
    for name in (*processes, *tools):
        assert name in result.stdout


def test_version() -> None:
    """It is the distribution's."""
    assert _run("version").stdout == "0.1.0\n"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
@pytest.mark.parametrize("command", ["serve", "gateway"])
def test_the_demo_never_binds_a_public_address(tmp_path: Path, command: str, host: str) -> None:
    """Its passwords are known to everybody."""
    result = _run(command, "--demo", "--host", host, "--data", str(tmp_path / "d"))
    assert result.exit_code == 2
    assert "never binds" in result.stderr
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_addresses(host: str) -> None:
    """Only this machine reaches them."""
    assert is_loopback(host)
    assert Settings(demo=True, host=host).demo


def test_a_port_in_use_is_said_plainly(tmp_path: Path) -> None:
    """Nothing is started when the port is another's."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = _run("serve", "--data", str(tmp_path / "d"), "--port", str(port))
    assert result.exit_code == 2
    assert f"127.0.0.1:{port}: Address already in use" in result.stderr
    assert not (tmp_path / "d").exists()


def test_children_get_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command line decided reaches the other processes through the environment."""
    settings = Settings(data_dir=tmp_path, port=12_345, demo=True, log_format="json")
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_journal_verify_and_stats(data_dir: Path) -> None:
    """They count every command and name its kind."""
    verified = CliRunner().invoke(cli_journal.app, ["verify", "--data", str(data_dir)])
    assert verified.stdout.startswith("7 commands, 0 marks, all sound")
    counted = CliRunner().invoke(cli_journal.app, ["stats", "--data", str(data_dir)])
    assert "7 commands in 2 batches" in counted.stdout
    assert "2  OPEN_ACCOUNT" in counted.stdout


@pytest.mark.parametrize(("first", "count", "kinds"), [(7, 5, ["NEW_ORDER"]), (1, 0, [])])
def test_journal_dump(data_dir: Path, first: int, count: int, kinds: list[str]) -> None:
    """One JSON object a command, from any sequence on."""
    arguments = ["dump", "--data", str(data_dir), "--from", str(first), "--count", str(count)]
    lines = CliRunner().invoke(cli_journal.app, arguments).stdout.splitlines()
    found = [json.loads(line) for line in lines]
    assert [command["kind"] for command in found] == kinds
    assert all(command["price_ticks"] == 9_500 for command in found)


def test_journal_tools_on_damage_and_on_nothing(data_dir: Path, tmp_path: Path) -> None:
    """Both are said in a sentence, with a status of failure."""
    nothing = ["verify", "--data", str(tmp_path / "empty")]
    assert "no journal" in CliRunner().invoke(cli_journal.app, nothing).stderr
    (path,) = (data_dir / JOURNAL_FOLDER).glob("*.journal")
    with path.open("r+b") as file:
        file.seek(5_000)
        file.write(b"\x99")
    damaged = CliRunner().invoke(cli_journal.app, ["verify", "--data", str(data_dir)])
    assert damaged.exit_code == 1
    assert "fails its checksum" in damaged.stderr
