"""Runs the whole exchange as its users do: `puhui serve --demo`, with all its processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

# The first start on a machine compiles the engine, which takes about a minute.
START_SECONDS = 240.0
STOP_SECONDS = 30.0
_POLL_SECONDS = 0.05


class RunningExchange:
    """`puhui serve --demo` on a data folder and a port that stay the same over restarts."""

    def __init__(self, data_dir: Path, workers: int = 1) -> None:
        self._data_dir = data_dir
        self._workers = workers
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers and the maker quotes."""
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "api.cli", "serve", "--demo"),
                *("--data", str(self._data_dir), "--port", str(self.port)),
                *("--workers", str(self._workers)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.await_ready()
        self.await_quotes()

    def await_ready(self) -> None:
        with self.client() as client:
            wait_until(lambda: _is_ready(client), START_SECONDS)

    def await_quotes(self) -> None:
        with self.client() as client:
            wait_until(lambda: all(map(client.has_ask, client.symbols())), STOP_SECONDS)

    def stop(self) -> None:
        """Ask it to stop, as Ctrl-C does, and see that it does so cleanly."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        assert self._process.wait(STOP_SECONDS) == 0
        self._process = None

    def kill_core(self) -> None:
        """End the core as a power cut would, and see it gone; the supervisor starts it again."""
        [core] = self.processes("core")
        self.kill(core)

    def processes(self, command: str) -> list[int]:
        """Those that run a command now."""
        return [child for child in self._children() if command in _arguments(child)]

    def kill(self, pid: int) -> None:
        """End a process at once, and see it gone; the supervisor starts another one."""
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: pid not in self._children(), STOP_SECONDS)

    def end(self) -> None:
        """Leave nothing behind, however the test ended; the children die with their parent."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    @contextmanager
    def client(self, username: str | None = None) -> Iterator[ExchangeClient]:
        """A client of the REST interface, logged in if a user is named."""
        with ExchangeClient(self.url) as client:
            if username is not None:
                client.log_in(username)
            yield client

    def _children(self) -> list[int]:
        assert self._process is not None
        pid = self._process.pid
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]


class ExchangeClient(httpx.Client):
    """One user of the exchange."""

    def __init__(self, url: str) -> None:
        super().__init__(base_url=url, timeout=30.0, trust_env=False)

    def log_in(self, username: str) -> None:
        body = {"username": username, "password": "demo"}
        token = self.expect(200, "POST", "/v1/sessions", json=body)["token"]
        self.headers["Authorization"] = f"Bearer {token}"

    def expect(self, status: int, method: str, path: str, **options: object) -> dict:
        """The answer, which has this status."""
        response = self.request(method, path, **options)  # type: ignore[arg-type]
        assert response.status_code == status, response.text
        return response.json()

    def refused(self, code: str, method: str, path: str, **options: object) -> dict:
        """The problem with which the request is refused."""
        response = self.request(method, path, **options)  # type: ignore[arg-type]
        assert response.headers["Content-Type"] == "application/problem+json", response.text
        problem = response.json()
        assert problem["code"] == code, problem
        assert problem["status"] == response.status_code
        return problem

    def symbols(self) -> list[str]:
        items = self.expect(200, "GET", "/v1/instruments")["items"]
        return [instrument["symbol"] for instrument in items]

    def has_ask(self, symbol: str) -> bool:
        return bool(self.expect(200, "GET", f"/v1/market/{symbol}/book")["asks"])

    def best_ask(self, symbol: str) -> str:
        return self.expect(200, "GET", f"/v1/market/{symbol}/book")["asks"][0][0]


def wait_until(is_so: Callable[[], bool], seconds: float) -> None:
    """Ask again and again: other processes tell nobody when they are done."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(_POLL_SECONDS)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except FileNotFoundError:  # it has ended meanwhile
        return []
