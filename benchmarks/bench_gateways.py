"""Orders through the whole exchange, by the number of gateways that share the port.

`puhui serve` and the clients are processes of this machine. REST: connections that each send the
next order when the last one is answered. JSON: one order a frame, some of them (the window) under
way on each connection. Binary: frames of 256 quotes that stand already. The clients' connections
are spread over the gateways as the kernel does it. Each order or quote is acknowledged when it is
durable. Beside each rate stands the processor time of every process, which depends less on what
else the machine does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from websockets.asyncio.client import connect

from api.binary_records import SUBPROTOCOL
from benchmarks.bench_binary_stream import (
    FRAME_QUOTES,
    Acknowledgements,
    _define,
    _free_port,
    _log_in,
    quote_frames,
)

ORDERS = int(os.environ.get("BENCH_ORDERS", "10000"))
FRAMES = int(os.environ.get("BENCH_FRAMES", "2000"))
CONNECTIONS = {"REST": 32, "JSON": 8, "binary": 4}
JSON_WINDOW = 16
BINARY_WINDOW = 4
ORDER = {
    "symbol": "GD-PHCER",
    "side": "buy",
    "type": "limit",
    "price": "46.00",
    "quantity": "1",
    "time_in_force": "ioc",
}


class Running(NamedTuple):
    """Where the exchange listens, its maker's token, and the process that began it all."""

    port: int
    token: str
    supervisor: int


@pytest.fixture(params=[1, 2], ids=["one gateway", "two gateways"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    """The demo exchange without a maker of its own, and with hardly any limits."""
    port = _free_port()
    environment = os.environ | {
        "PUHUI_ORDERS_PER_SECOND": str(10**8),
        "PUHUI_REQUESTS_PER_SECOND": str(10**8),
        "PUHUI_DEMO_QUOTES": "false",
        "PUHUI_WORKERS": str(request.param),
    }
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "api.cli", "serve", "--demo"),
            *("--data", str(tmp_path), "--port", str(port)),
        ],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        token = _log_in(f"http://127.0.0.1:{port}")
        asyncio.run(_define(tmp_path))
        yield Running(port, token, process.pid)
    finally:
        process.terminate()
        process.wait()


async def rest(running: Running, name: str, count: int) -> None:
    """`count` orders over one connection, one after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    head = f"POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {running.token}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: "
    for number in range(count):
        body = json.dumps(ORDER | {"client_order_id": f"{name}-{number}"})
        writer.write(f"{head}{len(body)}\r\n\r\n{body}".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 201"), answer
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
    writer.close()


async def json_stream(running: Running, name: str, count: int) -> None:
    """`count` orders over one stream, a frame each, JSON_WINDOW of them under way."""
    async with connect(f"ws://127.0.0.1:{running.port}/v1/stream", proxy=None) as websocket:
        await _log_in_to(websocket, running)
        answered = 0
        for number in range(count):
            params = ORDER | {"client_order_id": f"{name}-{number}"}
            await websocket.send(json.dumps({"op": "order.place", "id": number, "params": params}))
            if number - answered >= JSON_WINDOW:
                answered += _is_result(await websocket.recv())
        while answered < count:
            answered += _is_result(await websocket.recv())


async def binary_stream(running: Running, _: str, count: int) -> None:
    """`count` frames of quotes over one stream, BINARY_WINDOW of them under way."""
    frames = quote_frames(count, moved=False)
    async with connect(
        f"ws://127.0.0.1:{running.port}/v1/stream",
        subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
        compression=None,
        max_size=None,
        proxy=None,
    ) as websocket:
        await _log_in_to(websocket, running)
        answered, done = Acknowledgements(websocket, is_echo=False), 0
        for number, frame in enumerate(frames):
            if number - done >= BINARY_WINDOW:
                done = await answered.frames(number - BINARY_WINDOW + 1)
            await websocket.send(frame)
        await answered.frames(count)


async def _log_in_to(websocket: Any, running: Running) -> None:
    await websocket.send(json.dumps({"op": "login", "params": {"token": running.token}}))
    assert "result" in json.loads(await websocket.recv())


def _is_result(message: Any) -> bool:
    assert "result" in json.loads(message), message
    return True


CLIENTS = {"REST": rest, "JSON": json_stream, "binary": binary_stream}


def drive(kind: str, running: Running, connections: int, count: int, start: Any) -> None:
    """A client process: `connections` of a kind at once, each with `count` to send."""

    async def work() -> None:
        names = [f"{os.getpid()}-{number}" for number in range(connections)]
        await asyncio.gather(*(CLIENTS[kind](running, name, count) for name in names))

    import uvloop

    start.wait()
    uvloop.run(work())


@pytest.mark.parametrize("kind", CLIENTS)
def test_orders_by_gateways(benchmark: Any, running: Running, kind: str) -> None:
    """Orders (binary: quotes) a second, and what a thousand of them keep each process busy."""
    connections = CONNECTIONS[kind]
    total = FRAMES if kind == "binary" else ORDERS
    context = get_context("spawn")
    start = context.Barrier(2)
    client = context.Process(
        target=drive, args=(kind, running, connections, total // connections, start)
    )
    client.start()
    start.wait()
    before, began = _busy_seconds(running.supervisor), time.perf_counter()
    benchmark.pedantic(client.join, rounds=1)
    seconds = time.perf_counter() - began
    assert client.exitcode == 0
    orders = total // connections * connections * (FRAME_QUOTES if kind == "binary" else 1)
    benchmark.extra_info["a second"] = round(orders / seconds)
    busy = _busy_seconds(running.supervisor)
    for name, seconds in busy.items():
        spent_ms = (seconds - before[name]) * 1e3
        benchmark.extra_info[f"{name}: ms of a thousand"] = round(spent_ms / orders * 1e3, 2)


def _busy_seconds(supervisor: int) -> dict[str, float]:
    """How long the processes of each name have kept a processor busy."""
    found: dict[str, float] = defaultdict(float)
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text("ascii")
    for child in children.split():
        with contextlib.suppress(FileNotFoundError):
            name = Path(f"/proc/{child}/cmdline").read_text("utf-8").split("\0")[2]
            fields = Path(f"/proc/{child}/stat").read_text("ascii").rpartition(")")[2].split()
            found[name] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found
