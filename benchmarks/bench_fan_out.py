"""A thousand subscribers of one book, and what a bare broadcast of `websockets` does for them.

Each change is an order that joins a level of the book; the bare server sends a text of that length
to all its connections for each message of one. At a hundred changes a second each subscriber is to
get every change, or a fresh snapshot where it fell behind: the chain of every one is checked, and
the checksum of every distinct message. Then changes come as fast as all have the last one.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from api.client.book import Book
from benchmarks.bench_binary_stream import _run
from benchmarks.bench_order_entry import ORDER, Running, logged_in, servers
from benchmarks.entry_load import WebSocketLine, busy_seconds, client_frame
from benchmarks.measure import describe_load, percentiles

SUBSCRIBERS = int(os.environ.get("BENCH_SUBSCRIBERS", "1000"))
CHANGES = int(os.environ.get("BENCH_CHANGES", "500"))
CHANGES_PER_SECOND = 100
BROADCAST = """
import asyncio, sys
from websockets.asyncio.server import broadcast, serve
async def relay(connection):
    async for message in connection:
        broadcast([each for each in server.connections if each is not connection], message)
async def main():
    global server
    async with serve(relay, "127.0.0.1", int(sys.argv[1]), compression=None) as server:
        await asyncio.Future()
import uvloop
uvloop.run(main())
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The exchange and a server that repeats to all what one says."""
    with servers(tmp_path_factory.mktemp("data"), {"broadcast": BROADCAST}) as started:
        yield started


class Audience:
    """All subscribers: how far each has come, and whether what it got hangs together.

    The changes are numbered, and a message says up to which one it goes: the book's by the orders
    at the level that all orders join.
    """

    def __init__(self, count: int) -> None:
        self.received = self.snapshots = 0
        self.delays: list[float] = []
        self.everybody = asyncio.Event()
        self._sequences = [0] * count
        self._there = 0
        self._due = [0.0]
        # Distinct messages: the change, the sequence and the previous one.
        self._parsed: dict[bytes, tuple[int, int, int | None]] = {}
        self._book = Book("GD-PHCER")

    def change(self, due: float) -> None:
        """One more change is sent, which is due then."""
        self._due.append(due)
        self._there = 0
        self.everybody.clear()

    def listener(self, number: int) -> Callable[[Any, bytes], None]:
        """What takes the messages of one subscriber."""

        def take(_: Any, message: bytes) -> None:
            if message.startswith(b'{"id"'):
                return  # the subscription's answer
            found = self._parsed.get(message) or self._parse(message)
            change, sequence, previous = found
            assert previous in (None, self._sequences[number]), "a message is missing"
            self._sequences[number] = sequence
            self.received += 1
            self.snapshots += previous is None
            self.delays.append(time.perf_counter() - self._due[change])
            if change == len(self._due) - 1:
                self._there += 1
                if self._there == len(self._sequences):
                    self.everybody.set()

        return take

    def _parse(self, message: bytes) -> tuple[int, int, int | None]:
        push = json.loads(message)
        if push.get("channel") == "book":
            is_delta = push["type"] == "delta"
            book = self._book if is_delta else Book("GD-PHCER")
            assert not is_delta or push["previous_sequence"] == book.sequence
            assert book.apply(push), "the checksum is wrong"
            if not self._parsed:
                self._book = book
            joined = [orders for price, _, orders in push["data"]["bids"] if price == "46.00"]
            found = (sum(joined), push["sequence"], push["previous_sequence"])
        else:
            sequence = push.get("sequence", 0)
            found = (sequence, sequence, sequence - 1 if sequence else None)
        self._parsed[message] = found
        return found


@pytest.mark.parametrize("name", ["broadcast", "exchange"])
def test_fan_out(benchmark: Any, running: Running, name: str) -> None:
    """Messages at a hundred changes a second, then as many as can be."""
    benchmark.group = "fan-out: subscribers of one book beside a bare broadcast"
    found = benchmark.pedantic(lambda: _run(_measure(running, name)), rounds=1)
    benchmark.extra_info.update(found)
    _RATES[name] = found["messages a second, one change at a time"]
    if len(_RATES) == 2:
        share = _RATES["exchange"] / _RATES["broadcast"]
        benchmark.extra_info["share of the bare broadcast"] = round(share, 3)


_RATES: dict[str, float] = {}


async def _measure(running: Running, name: str) -> dict[str, Any]:
    audience = Audience(SUBSCRIBERS)
    speaker, lines = await _gather(running, name, audience)
    message = _speech(name)
    found: dict[str, Any] = dict(describe_load())
    audience.received = audience.snapshots = 0
    audience.delays.clear()
    before, start = busy_seconds(running.processes.items()), time.perf_counter()
    for number in range(CHANGES):
        due = start + number / CHANGES_PER_SECOND
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        audience.change(due)
        speaker.send(message(number + 1))
    await asyncio.wait_for(audience.everybody.wait(), 120)
    seconds = time.perf_counter() - start
    server = "gateway" if name == "exchange" else name
    spent = busy_seconds(running.processes.items())
    for process in (server, "client"):
        microseconds = (spent[process] - before[process]) / audience.received * 1e6
        found[f"{process}: us a message"] = round(microseconds, 1)
    found["changes sent"], found["messages"] = CHANGES, audience.received
    found["snapshots instead of changes"] = audience.snapshots
    found["seconds until all had the last change"] = round(seconds, 2)
    found["delay, ns"] = percentiles(np.array(audience.delays) * 1e9)
    audience.received, start = 0, time.perf_counter()
    for number in range(CHANGES, CHANGES + CHANGES // 5):
        audience.change(time.perf_counter())
        speaker.send(message(number + 1))
        await asyncio.wait_for(audience.everybody.wait(), 60)
    rate = audience.received / (time.perf_counter() - start)
    found["messages a second, one change at a time"] = round(rate)
    for line in (speaker, *lines):
        line.close()
    return found


async def _gather(
    running: Running, name: str, audience: Audience
) -> tuple[WebSocketLine, list[WebSocketLine]]:
    """Who makes the changes, and all who follow them."""
    is_exchange = name == "exchange"
    path = "/v1/stream" if is_exchange else "/"
    lines = [await WebSocketLine.open(running.ports[name], path) for _ in range(SUBSCRIBERS)]
    speaker = await (logged_in(running) if is_exchange else WebSocketLine.open(running.ports[name]))
    channels = [{"name": "book", "symbol": "GD-PHCER"}]
    subscribe = client_frame(
        json.dumps({"op": "subscribe", "params": {"channels": channels}}).encode()
    )
    for number, line in enumerate(lines):
        line.on_message = audience.listener(number)
        if is_exchange:
            line.send(subscribe)
    if is_exchange:
        await asyncio.wait_for(audience.everybody.wait(), 60)  # everybody has the book
    return speaker, lines


def _speech(name: str) -> Callable[[int], bytes]:
    """The frame that makes a change, by its number."""
    prefix = secrets.token_hex(4)

    def order(number: int) -> bytes:
        params = ORDER | {"client_order_id": f"{prefix}-{number}", "time_in_force": "gtc"}
        return client_frame(json.dumps({"op": "order.place", "params": params}).encode())

    def text(number: int) -> bytes:
        # As long as a change of the book.
        return client_frame(json.dumps({"sequence": number, "data": "x" * 180}).encode())

    return order if name == "exchange" else text
