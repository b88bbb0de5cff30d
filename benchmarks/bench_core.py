"""Durable acknowledgements of a real core process, beside bare synced writes to the same disk.

Workload: limit orders of one account that rest at eleven prices, each acknowledged only when it is
synced and matched. `lone` is one order at a time: over a bare socket, which shows the core, and by
the gateway's client in its event loop, which shows what a gateway waits. A hundred bare writes of
64 KB, each synced, come before each hundred orders, so both meet the same disk and the same load.
`batched` is thirty-two submissions of 512 at once.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import uvloop

from api.commands import admin_command, instrument_command, order_command
from api.core_client import CoreClient
from benchmarks.core_process import ask, core_process
from benchmarks.measure import percentiles
from engine.codes import (
    CommandKind,
    EventKind,
    OrderType,
    Phase,
    Purpose,
    SelfTradePrevention,
    TimeInForce,
)
from engine.link import SOCKET_NAME
from engine.packed_texts import pack_text
from engine.records import ORDER_COMMAND

BATCH_COMMANDS = 512
BATCHES_AT_ONCE = 32
LONE_ORDERS = 100
LONE_ROUNDS = 20
WRITE_BYTES = 64 << 10
FILE_BYTES = (LONE_ROUNDS + 1) * LONE_ORDERS * WRITE_BYTES


class _Running(NamedTuple):
    loop: asyncio.AbstractEventLoop
    client: CoreClient
    connection: socket.socket


@pytest.fixture
def running(tmp_path: Path) -> Iterator[_Running]:
    """A core process on the disk of the temporary folder, and a client; the market is open."""
    loop = uvloop.new_event_loop()  # as a gateway has
    with core_process(tmp_path) as connection:
        client = loop.run_until_complete(CoreClient.connect(tmp_path / SOCKET_NAME, "benchmark"))
        loop.run_until_complete(client.submit(_market()))
        yield _Running(loop, client, connection)
        loop.run_until_complete(client.close())
    loop.close()


def _market() -> np.ndarray:
    symbol_high, symbol_low = pack_text("BENCH")
    return np.concatenate(
        [
            instrument_command(
                instrument=1,
                symbol_high=symbol_high,
                symbol_low=symbol_low,
                reference_price_ticks=5_000,
                maximum_order_lots=1_000,
                maximum_holding_lots=10**9,
                tick_fen=1,
                price_limit_ppm=100_000,
                ladder_levels=1_024,
                trading_day=20_000,
            ),
            admin_command(CommandKind.OPEN_ACCOUNT, account=1),
            admin_command(CommandKind.DEPOSIT_CASH, account=1, amount_fen=10**15),
            admin_command(CommandKind.SET_PHASE, instrument=1, phase=Phase.CONTINUOUS),
        ]
    )


def _orders(count: int) -> np.ndarray:
    plain = order_command(
        CommandKind.NEW_ORDER,
        account=1,
        instrument=1,
        quantity_lots=1,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        purpose=Purpose.VOLUNTARY,
        self_trade_prevention=SelfTradePrevention.CANCEL_NEWEST,
    )
    orders = np.repeat(plain, count).view(ORDER_COMMAND)
    orders["price_ticks"] = 4_990 + np.arange(count) % 11
    return orders


def _over_a_socket(running: _Running, order: np.ndarray) -> list[int]:
    """How long each of the orders took, one behind the other, in ns."""
    times_ns = []
    for _ in range(LONE_ORDERS):
        began_ns = time.perf_counter_ns()
        reply = ask(running.connection, order)
        times_ns.append(time.perf_counter_ns() - began_ns)
        assert reply["kind"].tolist() == [EventKind.ORDER_ACCEPTED]
    return times_ns


def _by_the_client(running: _Running, order: np.ndarray) -> list[int]:
    """Likewise, by a client that waits within its event loop."""

    async def submit() -> list[int]:
        times_ns = []
        for _ in range(LONE_ORDERS):
            began_ns = time.perf_counter_ns()
            (reply,) = await running.client.submit(order)
            times_ns.append(time.perf_counter_ns() - began_ns)
            assert reply["kind"].tolist() == [EventKind.ORDER_ACCEPTED]
        return times_ns

    return running.loop.run_until_complete(submit())


class _BareFile:
    """A file with room for all that is written into it, 64 KB at a time, each write synced."""

    def __init__(self, path: Path, *, is_written: bool) -> None:
        """With `is_written` there are zeros in it already; else, as in a journal's new segment,
        the disk has only given room, and notes at the first write that there is something."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
        os.posix_fallocate(self._descriptor, 0, FILE_BYTES)
        zeros = bytes(1 << 20)
        for offset in range(0, FILE_BYTES if is_written else 0, len(zeros)):
            os.pwrite(self._descriptor, zeros, offset)
        os.fsync(self._descriptor)
        self._data = os.urandom(WRITE_BYTES)
        self._offset = 0
        self.times_ns: list[int] = []

    def write(self) -> None:
        for _ in range(LONE_ORDERS):
            began_ns = time.perf_counter_ns()
            os.pwrite(self._descriptor, self._data, self._offset)
            os.fdatasync(self._descriptor)
            self.times_ns.append(time.perf_counter_ns() - began_ns)
            self._offset += WRITE_BYTES

    def close(self) -> None:
        os.close(self._descriptor)


@pytest.mark.parametrize("way", [_over_a_socket, _by_the_client])
def test_lone_order_acknowledged(
    benchmark: Any,
    running: _Running,
    tmp_path: Path,
    way: Callable[[_Running, np.ndarray], list[int]],
) -> None:
    """From sending one order to its durable acknowledgement, nothing else going on."""
    benchmark.group = "lone orders: acknowledged durably, beside bare synced writes of 64 KB"
    disk = {
        "64 KB preallocated": _BareFile(tmp_path / "preallocated", is_written=False),
        "64 KB overwritten": _BareFile(tmp_path / "overwritten", is_written=True),
    }
    order = _orders(1)
    way(running, order)
    times_ns: list[int] = []

    def write() -> None:
        for file in disk.values():
            file.write()

    benchmark.pedantic(
        lambda: times_ns.extend(way(running, order)), setup=write, rounds=LONE_ROUNDS
    )
    found = percentiles(np.array(times_ns))
    for rank, value_ns in found.items():
        benchmark.extra_info[f"{rank} us"] = round(value_ns / 1_000, 1)
    for name, file in disk.items():
        bare_ns = percentiles(np.array(file.times_ns))["p50"]
        benchmark.extra_info[f"{name} p50 us"] = round(bare_ns / 1_000, 1)
        benchmark.extra_info[f"times {name}"] = round(found["p50"] / bare_ns, 2)
        file.close()


def test_batched_orders_acknowledged(benchmark: Any, running: _Running) -> None:
    """Durable throughput: one round is 32 submissions of 512 orders, all on the way at once."""
    orders = _orders(BATCH_COMMANDS)

    async def submit() -> list[list[np.ndarray]]:
        submissions = (running.client.submit(orders) for _ in range(BATCHES_AT_ONCE))
        return await asyncio.gather(*submissions)

    replies = benchmark.pedantic(
        lambda: running.loop.run_until_complete(submit()), rounds=20, warmup_rounds=2
    )
    benchmark.extra_info["orders in a round"] = BATCH_COMMANDS * BATCHES_AT_ONCE
    assert len(replies) == BATCHES_AT_ONCE
