"""Quotes in binary through a real websocket: core, gateway and client as processes of this machine.

Frames of 256 quotes over eight instruments, each frame acknowledged when every quote of it is
durable. `moved` quotes have new prices each time, `kept` ones the prices that stand; `alone` are
moved ones of a client who asks for replies alone (`quote_events`). Some frames (the window) are
under way at once; then frames come at half that rate, each at its own time, and its latency counts
from that time. The bare `websockets` echo gets the same frames in the same run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from api.binary_records import SUBPROTOCOL
from api.commands import admin_command, instrument_command, quote_command
from api.core_client import CoreClient
from benchmarks.measure import percentiles
from engine.codes import CommandKind, EventKind, Phase
from engine.link import SOCKET_NAME
from engine.packed_texts import pack_text
from engine.records import EVENT, QUOTE_COMMAND

FRAME_QUOTES = 256
INSTRUMENTS = 8
FIRST_INSTRUMENT = 4  # behind the demo's own
WINDOWS = (1, 4, 16)
FRAMES = int(os.environ.get("BENCH_FRAMES", "2000"))
ECHO = """
import asyncio, sys
from websockets.asyncio.server import serve
async def echo(connection):
    async for message in connection:
        await connection.send(message)
async def main():
    async with serve(echo, "127.0.0.1", int(sys.argv[1]), compression=None, max_size=None):
        await asyncio.Future()
import uvloop
uvloop.run(main())
"""


class Running(NamedTuple):
    """Where the exchange and the echo listen, how to log in, and who serves."""

    exchange: str
    token: str
    echo: str
    processes: dict[str, int]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The demo exchange with instruments of our own and a maker without limits, and an echo."""
    data = tmp_path_factory.mktemp("data")
    port, echo_port = _free_port(), _free_port()
    environment = os.environ | {
        "PUHUI_ORDERS_PER_SECOND": str(10**8),
        "PUHUI_DEMO_QUOTES": "false",
        "PUHUI_DEMO": "true",
        "PUHUI_PORT": str(port),
    }
    puhui = [sys.executable, "-m", "api.cli"]
    processes = {}
    with contextlib.ExitStack() as stack:
        for name, arguments in {
            "core": [*puhui, "core", "--data", str(data)],
            "back office": [*puhui, "back-office", "--data", str(data)],
            "gateway": [*puhui, "gateway", "--data", str(data)],
            "echo": [sys.executable, "-c", ECHO, str(echo_port)],
        }.items():
            process = subprocess.Popen(
                arguments,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            processes[name] = process.pid
            stack.callback(process.wait)
            stack.callback(process.terminate)
        token = _log_in(f"http://127.0.0.1:{port}")
        asyncio.run(_define(data))
        yield Running(
            f"ws://127.0.0.1:{port}/v1/stream", token, f"ws://127.0.0.1:{echo_port}/", processes
        )


def _log_in(url: str) -> str:
    """The maker's token, once the exchange answers."""
    deadline = time.monotonic() + 300
    while True:
        with contextlib.suppress(httpx.TransportError):
            answer = httpx.post(
                f"{url}/v1/sessions", json={"username": "maker", "password": "demo"}
            )
            if answer.status_code in (200, 201):
                return str(answer.json()["token"])
        assert time.monotonic() < deadline, "the exchange does not come up"
        time.sleep(0.1)


async def _define(data: Path) -> None:
    """Instruments with room for every quote; the maker has the demo's cash and quotes bids."""
    client = await CoreClient.connect(data / SOCKET_NAME, "benchmark")
    commands = []
    for number in range(FIRST_INSTRUMENT, FIRST_INSTRUMENT + INSTRUMENTS):
        symbol_high, symbol_low = pack_text(f"BENCH-{number}")
        commands.append(
            instrument_command(
                instrument=number,
                symbol_high=symbol_high,
                symbol_low=symbol_low,
                reference_price_ticks=5_000,
                maximum_order_lots=1_000,
                maximum_holding_lots=10**6,
                tick_fen=1,
                price_limit_ppm=100_000,
                ladder_levels=1_024,
                trading_day=20_000,
            )
        )
    replies = await client.submit(np.concatenate(commands))
    assert all(reply["code"][0] == 0 for reply in replies)
    account = await _maker(client)
    more = []
    for number in range(FIRST_INSTRUMENT, FIRST_INSTRUMENT + INSTRUMENTS):
        more.append(admin_command(CommandKind.SET_PHASE, instrument=number, phase=Phase.CONTINUOUS))
        more.append(
            admin_command(
                CommandKind.DEPOSIT_CREDITS,
                account=account,
                instrument=number,
                quantity_lots=1_000,
            )
        )
    replies = await client.submit(np.concatenate(more))
    assert all(reply["code"][0] == 0 for reply in replies)
    await client.close()


async def _maker(client: CoreClient) -> int:
    """The account that holds the demo's credits of the first instrument and most cash."""
    answer = await client.balances()
    makers = answer.positions["account"][answer.positions["instrument"] == 1]
    cash = answer.accounts["available_fen"][makers]
    return int(makers[int(np.argmax(cash))])


def quote_frames(count: int, *, moved: bool) -> list[bytes]:
    """Frames of quotes; the request id of each is unique, the instruments take turns."""
    quote = quote_command(instrument=1, bid_quantity_lots=10, ask_quantity_lots=10)
    quotes = np.repeat(quote, count * FRAME_QUOTES).view(QUOTE_COMMAND)
    rows = np.arange(len(quotes))
    quotes["request_id"] = rows + 1
    quotes["instrument"] = FIRST_INSTRUMENT + rows % INSTRUMENTS
    step = rows // INSTRUMENTS % 50 if moved else 0
    quotes["bid_price_ticks"] = 4_900 + step
    quotes["ask_price_ticks"] = 5_000 + step
    return [part.tobytes() for part in np.split(quotes, count)]


@contextlib.asynccontextmanager
async def _connected(running: Running, kind: str) -> AsyncIterator[ClientConnection]:
    if kind == "echo":
        async with connect(running.echo, compression=None, max_size=None, proxy=None) as websocket:
            yield websocket
        return
    async with connect(
        running.exchange,
        subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
        compression=None,
        max_size=None,
        proxy=None,
    ) as websocket:
        params = {"token": running.token, "quote_events": kind != "alone"}
        await websocket.send(json.dumps({"op": "login", "params": params}))
        assert "result" in json.loads(await websocket.recv())
        yield websocket


class Acknowledgements:
    """Counts what comes back until a frame's quotes are all answered."""

    def __init__(self, websocket: ClientConnection, *, is_echo: bool) -> None:
        self._websocket = websocket
        self._is_echo = is_echo
        self._quotes = 0

    async def frames(self, wanted: int) -> int:
        """How many whole frames have been acknowledged, at least `wanted`."""
        while self._quotes < wanted * FRAME_QUOTES:
            message = await self._websocket.recv(decode=False)
            if self._is_echo:
                self._quotes += FRAME_QUOTES
                continue
            records = np.frombuffer(message, EVENT)
            is_reply = records["request_id"] != 0
            assert not records["code"][is_reply].any()
            assert (records["kind"][is_reply] == EventKind.QUOTE_SET).all()
            self._quotes += int(np.count_nonzero(is_reply))
        return self._quotes // FRAME_QUOTES


async def _throughput(
    websocket: ClientConnection, frames: list[bytes], window: int, kind: str
) -> float:
    """Frames a second with at most `window` of them under way."""
    answered, done = Acknowledgements(websocket, is_echo=kind == "echo"), 0
    start = time.perf_counter()
    for number, frame in enumerate(frames):
        if number - done >= window:
            done = await answered.frames(number - window + 1)
        await websocket.send(frame)
    await answered.frames(len(frames))
    return len(frames) / (time.perf_counter() - start)


async def _latencies(
    websocket: ClientConnection, frames: list[bytes], frames_per_second: float, kind: str
) -> np.ndarray:
    """Nanoseconds from the time at which each frame was due to its acknowledgement."""
    answered = Acknowledgements(websocket, is_echo=kind == "echo")
    due: deque[float] = deque()
    found: list[float] = []
    start = time.perf_counter()

    async def receive() -> None:
        done = 0
        while done < len(frames):
            now_done = await answered.frames(done + 1)
            now = time.perf_counter()
            found.extend(now - due.popleft() for _ in range(now_done - done))
            done = now_done

    receiving = asyncio.create_task(receive())
    for number, frame in enumerate(frames):
        when = start + number / frames_per_second
        # What is late is sent at once, and its latency still counts from when it was due.
        if (wait := when - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        due.append(when)
        await websocket.send(frame)
    await receiving
    return np.array(found) * 1e9


def _busy_seconds(running: Running) -> dict[str, float]:
    """How long each process, and this one, has kept a processor busy."""
    found = {"client": time.process_time()}
    for name, number in running.processes.items():
        fields = Path(f"/proc/{number}/stat").read_text("ascii").rpartition(")")[2].split()
        found[name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


# Frames a second of the echo, by window; measured first.
_RATES: dict[tuple[str, int], float] = {}


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("kind", ["echo", "kept", "moved", "alone"])
def test_frames_of_quotes(benchmark: Any, running: Running, kind: str, window: int) -> None:
    """Quotes a second at a window; then the latency of frames at half that rate."""
    frames = quote_frames(FRAMES, moved=kind in ("moved", "alone"))

    async def measure() -> tuple[float, np.ndarray]:
        async with _connected(running, kind) as websocket:
            await _throughput(websocket, frames[:200], window, kind)
            before = _busy_seconds(running)
            rate = await _throughput(websocket, frames, window, kind)
            for name, seconds in _busy_seconds(running).items():
                microseconds = round((seconds - before[name]) / len(frames) * 1e6)
                benchmark.extra_info[f"{name}: processor time of a frame, us"] = microseconds
        async with _connected(running, kind) as websocket:
            return rate, await _latencies(websocket, frames, rate / 2, kind)

    (rate, latencies) = benchmark.pedantic(lambda: _run(measure()), rounds=1)
    benchmark.extra_info["quotes a second"] = round(rate * FRAME_QUOTES)
    benchmark.extra_info["latency at half the rate, ns"] = percentiles(latencies)
    _RATES[kind, window] = rate
    if kind != "echo" and ("echo", window) in _RATES:
        share = rate / _RATES["echo", window]
        benchmark.extra_info["share of the bare echo"] = round(share, 3)


def _run(measured: Any) -> Any:
    import uvloop

    return uvloop.run(measured)
