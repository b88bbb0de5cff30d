"""`puhui serve` as real processes: starts in order, heals, and leaves nobody behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from core_driver import wait_until

from api.settings import Settings
from api.supervisor import Supervisor, listen


class _Exchange:
    """A supervisor and what can be seen of it from outside."""

    def __init__(self, data_dir: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "serve", "--port", "0", "--data", str(data_dir)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line.startswith("Puhui is ready: http://127.0.0.1:"), line
        self.url = line.split()[3]

    def children(self) -> dict[str, int]:
        """Process ids by the command that they run."""
        pid = self.process.pid
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        return {name: int(child) for child in found if (name := _command(int(child)))}

    def engine(self) -> str:
        """What the gateway says of the engine; nothing if it does not answer."""
        try:
            status: str = httpx.get(f"{self.url}v1/status", trust_env=False).json()["engine"]
        except httpx.HTTPError:
            return ""
        return status

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


def _command(pid: int) -> str:
    """What follows `python puhui` on the process's command line; nothing if it has ended."""
    try:
        parts = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except FileNotFoundError:
        return ""
    return parts[2].decode() if len(parts) > 2 else ""


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[_Exchange]:
    running = _Exchange(tmp_path)
    yield running
    running.close()


@pytest.mark.parametrize("name", ["core", "back-office", "gateway"])
def test_a_killed_child_is_started_again(exchange: _Exchange, name: str) -> None:
    """After kill -9 of any, the exchange answers again, with the others untouched."""
    before = exchange.children()
    assert set(before) == {"core", "back-office", "gateway"}
    assert exchange.engine() == "ready"
    os.kill(before[name], signal.SIGKILL)
    wait_until(lambda: exchange.children().get(name, before[name]) != before[name])
    wait_until(lambda: exchange.engine() == "ready")
    after = exchange.children()
    assert {other: after[other] for other in after if other != name} == {
        other: before[other] for other in before if other != name
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_child_outlives_the_supervisor(exchange: _Exchange, number: signal.Signals) -> None:
    """Asked to stop, it ends its children first; killed, they end of themselves."""
    children = exchange.children().values()
    exchange.process.send_signal(number)
    status = exchange.process.wait()
    assert status == (0 if number != signal.SIGKILL else -number)
    wait_until(lambda: not any(_command(child) for child in children))


def test_a_second_exchange_on_the_same_folder_gives_up(exchange: _Exchange, tmp_path: Path) -> None:
    """The core says why, the supervisor does not try again, and the first one goes on."""
    second = subprocess.run(
        [sys.executable, "-m", "api.cli", "serve", "--port", "0", "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert "another core holds the journal" in second.stderr
    assert exchange.engine() == "ready"


@pytest.mark.parametrize(("demo_quotes", "maker"), [(True, ["demo maker"]), (False, [])])
def test_a_demo_without_its_maker(tmp_path: Path, demo_quotes: bool, maker: list[str]) -> None:
    """Whoever tries a market maker of his own wants no other one for the same account."""
    settings = Settings(data_dir=tmp_path, workers=2, demo=True, demo_quotes=demo_quotes)
    with listen("127.0.0.1", 0) as listener:
        stages = Supervisor(settings, listener).stages
    names = [child.name for stage in stages for child in stage]
    assert names == ["core", "back office", "gateway 1", "gateway 2", *maker]
