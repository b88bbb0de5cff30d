"""Durable acknowledgements of a real core process, beside bare synced appends to the same disk.

Workload: limit orders of one account that rest at eleven prices, each acknowledged only when it is
synced and matched. `lone` is one order at a time, `batched` thirty-two submissions of 512 at once;
`disk` is the machine's own limit: append 64 KB, fdatasync.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import uvloop

from api.commands import admin_command, instrument_command, order_command
from api.core_client import CoreClient, CoreUnavailable
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
APPEND_BYTES = 64 << 10


class _Running(NamedTuple):
    loop: asyncio.AbstractEventLoop
    client: CoreClient


@pytest.fixture
def running(tmp_path: Path) -> Iterator[_Running]:
    """A core process on the disk of the temporary folder, and a client; the market is open."""
    command = [sys.executable, "-m", "api.cli", "core", "--data", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        loop = uvloop.new_event_loop()  # as a gateway has
        try:
            client = loop.run_until_complete(_connect(tmp_path, process))
            loop.run_until_complete(client.submit(_market()))
            yield _Running(loop, client)
            loop.run_until_complete(client.close())
        finally:
            process.kill()
            loop.close()


async def _connect(data_dir: Path, process: subprocess.Popen[bytes]) -> CoreClient:
    while True:
        assert process.poll() is None, "the core has ended"
        try:
            return await CoreClient.connect(data_dir / SOCKET_NAME, "benchmark")
        except CoreUnavailable:
            await asyncio.sleep(0.05)


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


def test_lone_order_acknowledged(benchmark: Any, running: _Running) -> None:
    """The time from `submit` of one order to its durable acknowledgement, nothing else going on."""
    order = _orders(1)

    def submit() -> list[np.ndarray]:
        return running.loop.run_until_complete(running.client.submit(order))

    (reply,) = benchmark.pedantic(submit, rounds=2_000, warmup_rounds=100)
    assert reply["kind"].tolist() == [EventKind.ORDER_ACCEPTED]


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


def test_bare_disk_append(benchmark: Any, tmp_path: Path) -> None:
    """What the disk alone takes: one synced append of 64 KB."""
    data = os.urandom(APPEND_BYTES)
    descriptor = os.open(tmp_path / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def append() -> None:
        os.write(descriptor, data)
        os.fdatasync(descriptor)

    benchmark.pedantic(append, rounds=1_000, warmup_rounds=50)
    os.close(descriptor)
