"""One order a request or a frame through core, gateway and client as processes of this machine.

REST orders stand beside an empty FastAPI handler under the gateway's uvicorn settings; orders over
the JSON stream beside a bare `websockets` echo of the same frames. Each order is acknowledged when
it is durable. Bare and exchange take turns within a run; then requests come at half the median
rate, each at its own time. An acknowledgement is compared with the bare round trip and one synced
write of 4 KiB, which is measured in the same folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import pytest

from benchmarks.bench_binary_stream import ECHO, _free_port, _log_in, _run
from benchmarks.entry_load import (
    HttpLine,
    Line,
    WebSocketLine,
    busy_seconds,
    client_frame,
    closed,
    offered,
)
from benchmarks.measure import describe_load, percentiles

ORDERS = int(os.environ.get("BENCH_ORDERS", "5000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
REST_CONNECTIONS = (1, 32)
JSON_WINDOWS = (1, 16, 128)
ORDER = {
    "symbol": "GD-PHCER",
    "side": "buy",
    "type": "limit",
    "price": "46.00",
    "quantity": "1",
    "time_in_force": "ioc",
}
HANDLER = """
import sys
import uvicorn
from fastapi import FastAPI
from api.processes import server_config
from api.settings import Settings
app = FastAPI()
@app.post("/v1/orders", status_code=201)
async def empty():
    return {}
uvicorn.Server(server_config(app, Settings(port=int(sys.argv[1])))).run()
"""


class Running(NamedTuple):
    """The ports by name, the maker's token, the processes and a folder on the journal's disk."""

    ports: dict[str, int]
    token: str
    processes: dict[str, int]
    folder: Path


@contextlib.contextmanager
def servers(data: Path, bare: dict[str, str]) -> Iterator[Running]:
    """The demo exchange without limits and without a maker of its own, and bare servers by name."""
    ports = {name: _free_port() for name in ("exchange", *bare)}
    environment = os.environ | {
        "PUHUI_ORDERS_PER_SECOND": str(10**8),
        "PUHUI_REQUESTS_PER_SECOND": str(10**8),
        "PUHUI_DEMO_QUOTES": "false",
        "PUHUI_DEMO": "true",
        "PUHUI_PORT": str(ports["exchange"]),
    }
    commands = {
        name: [sys.executable, "-m", "api.cli", name, "--data", str(data)]
        for name in ("core", "back-office", "gateway")
    }
    for name, program in bare.items():
        commands[name] = [sys.executable, "-c", program, str(ports[name])]
    processes = {}
    with contextlib.ExitStack() as stack:
        for name, arguments in commands.items():
            process = subprocess.Popen(
                arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            processes[name] = process.pid
            stack.callback(process.wait)
            stack.callback(process.terminate)
        token = _log_in(f"http://127.0.0.1:{ports['exchange']}")
        yield Running(ports, token, processes, data)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The exchange, an empty handler and an echo."""
    with servers(tmp_path_factory.mktemp("data"), {"handler": HANDLER, "echo": ECHO}) as started:
        yield started


def _orders(count: int) -> Iterator[dict[str, str]]:
    prefix = secrets.token_hex(4)
    return (ORDER | {"client_order_id": f"{prefix}-{number}"} for number in range(count))


def rest_requests(running: Running, count: int) -> list[bytes]:
    """POST /v1/orders, each with a client id of its own."""
    head = f"POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {running.token}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: "
    bodies = map(json.dumps, _orders(count))
    return [f"{head}{len(body)}\r\n\r\n{body}".encode() for body in bodies]


def json_requests(_: Running, count: int) -> list[bytes]:
    """order.place, each a frame and with a client id of its own."""
    return [
        client_frame(json.dumps({"op": "order.place", "id": 1, "params": order}).encode())
        for order in _orders(count)
    ]


async def rest_lines(running: Running, name: str, count: int) -> list[Line]:
    """Connections to the exchange or the handler."""
    return [await HttpLine.open(running.ports[name]) for _ in range(count)]


async def json_lines(running: Running, name: str, _: int) -> list[Line]:
    """One stream of the exchange, logged in, or one connection to the echo."""
    if name == "echo":
        return [await WebSocketLine.open(running.ports[name])]
    return [await logged_in(running)]


async def logged_in(running: Running) -> WebSocketLine:
    """A stream of the exchange's maker."""
    line = await WebSocketLine.open(running.ports["exchange"], "/v1/stream")
    login = {"op": "login", "params": {"token": running.token}}
    assert b"result" in await line.ask(client_frame(json.dumps(login).encode()))
    return line


@pytest.mark.parametrize("connections", REST_CONNECTIONS)
def test_rest_orders(benchmark: Any, running: Running, connections: int) -> None:
    """Orders a second over so many connections, one under way on each."""
    benchmark.group = "entry: REST orders, connections beside an empty FastAPI handler"
    found = benchmark.pedantic(
        lambda: _run(_compare(running, "handler", rest_lines, rest_requests, connections, 1)),
        rounds=1,
    )
    benchmark.extra_info.update(found)


@pytest.mark.parametrize("window", JSON_WINDOWS)
def test_json_orders(benchmark: Any, running: Running, window: int) -> None:
    """Orders a second over one stream, a frame each, so many under way."""
    benchmark.group = "entry: orders over the JSON stream, window beside a bare echo"
    found = benchmark.pedantic(
        lambda: _run(_compare(running, "echo", json_lines, json_requests, 1, window)), rounds=1
    )
    benchmark.extra_info.update(found)


async def _compare(  # noqa: PLR0917 - two kinds of load, each with its own lines and requests
    running: Running,
    bare: str,
    lines_to: Callable[[Running, str, int], Awaitable[list[Line]]],
    requests: Callable[[Running, int], list[bytes]],
    connections: int,
    window: int,
) -> dict[str, Any]:
    """Rates of both, round by round, and processor time; then latencies at half the rate."""
    lines = {name: await lines_to(running, name, connections) for name in (bare, "exchange")}
    rates: dict[str, list[float]] = {name: [] for name in lines}
    spent: dict[str, dict[str, list[float]]] = {name: {} for name in lines}
    for some in lines.values():
        await closed(some, requests(running, 1_000), window)
    for _ in range(ROUNDS):
        for name, some in lines.items():
            prepared = requests(running, ORDERS)
            before = busy_seconds(running.processes.items())
            rates[name].append(await closed(some, prepared, window))
            for process, seconds in busy_seconds(running.processes.items()).items():
                microseconds = (seconds - before[process]) / ORDERS * 1e6
                spent[name].setdefault(process, []).append(microseconds)
    found: dict[str, Any] = dict(describe_load())
    for name, some in lines.items():
        rate = median(rates[name])
        found[f"{name}: a second"] = round(rate)
        found[f"{name}: range"] = f"{min(rates[name]):.0f} to {max(rates[name]):.0f}"
        latencies = await offered(some, requests(running, ORDERS), rate / 2, window)
        found[f"{name}: latency at half the rate, ns"] = percentiles(latencies)
        for line in some:
            line.close()
    shares = [mine / its for mine, its in zip(rates["exchange"], rates[bare], strict=True)]
    found["share of the bare server's rate"] = round(median(shares), 3)
    found["bare: processor time of a request, us"] = round(median(spent[bare][bare]))
    for process in ("gateway", "core", "back-office"):
        found[f"{process}: us an order"] = round(median(spent["exchange"][process]))
    own = [median(of["client"]) for of in spent.values()]
    found["client: us a request"] = " and ".join(f"{each:.0f}" for each in own)
    found["a synced write of 4 KiB, us"] = round(_synced_write_seconds(running.folder) * 1e6)
    return found


def _synced_write_seconds(folder: Path) -> float:
    """The median of appending and syncing 4 KiB, as a journal without reserved room would."""
    taken = []
    path = folder / "synced-writes"
    with path.open("wb", buffering=0) as file:
        for _ in range(200):
            start = time.perf_counter()
            file.write(bytes(4_096))
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - start)
    path.unlink()
    return median(taken)
