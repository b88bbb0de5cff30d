"""Runs cores in tests: in the test's own loop with the reference engine, or as real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from engine_driver import instrument_fields, make_command

from api.core_client import CoreClient
from engine.codes import CommandKind, OrderType, Phase, Purpose, SelfTradePrevention, TimeInForce
from engine.core import Core
from engine.link import SOCKET_NAME
from engine.matching.reference import ReferenceEngine
from engine.records import COMMAND
from engine.state import EngineLimits

LIMITS = EngineLimits(
    orders=40_000, accounts=64, positions=256, allowances=32, instruments=8, ladder_levels=8192
)
SELLER, BUYER = 1, 2
PLENTY_LOTS, PLENTY_FEN = 1_000_000, 10**12


@asynccontextmanager
async def running_core(data_dir: Path, **changes: Any) -> AsyncIterator[Core]:
    """A core in this loop, stopped at the end."""
    core = Core(data_dir, changes.pop("make_engine", ReferenceEngine), LIMITS, **changes)
    try:
        await core.start()
        yield core
    finally:
        await core.stop()


@asynccontextmanager
async def connected(
    data_dir: Path, name: str = "test", on_events: Callable[[np.ndarray, int], None] | None = None
) -> AsyncIterator[CoreClient]:
    """A client of the core in `data_dir`, closed at the end."""
    client = await CoreClient.connect(data_dir / SOCKET_NAME, name, on_events)
    try:
        yield client
    finally:
        await client.close()


def set_up_commands() -> np.ndarray:
    """One instrument in continuous trading, a rich seller and a rich buyer: 6 commands."""
    fields = instrument_fields(maximum_holding_lots=10 * PLENTY_LOTS)
    return np.concatenate(
        [
            make_command(CommandKind.DEFINE_INSTRUMENT, **fields),
            make_command(CommandKind.OPEN_ACCOUNT, account=SELLER),
            make_command(CommandKind.OPEN_ACCOUNT, account=BUYER),
            make_command(
                CommandKind.DEPOSIT_CREDITS, account=SELLER, instrument=1, quantity_lots=PLENTY_LOTS
            ),
            make_command(CommandKind.DEPOSIT_CASH, account=BUYER, amount_fen=PLENTY_FEN),
            make_command(CommandKind.SET_PHASE, instrument=1, phase=Phase.CONTINUOUS),
        ]
    )


def order(account: int, side: int, price_ticks: int, client_id: int, **fields: int) -> np.ndarray:
    """A limit day order for one lot, unless `fields` say otherwise; client id 0: none."""
    plain = {
        "instrument": 1,
        "side": side,
        "price_ticks": price_ticks,
        "quantity_lots": 1,
        "client_id_low": client_id,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.DAY,
        "purpose": Purpose.VOLUNTARY,
        "self_trade_prevention": SelfTradePrevention.CANCEL_NEWEST,
    }
    return make_command(CommandKind.NEW_ORDER, account=account, **(plain | fields))


def stamped(commands: np.ndarray, first_sequence: int, time_ns: int = 1) -> np.ndarray:
    """A copy as the core would hand it to the journal."""
    batch = commands.view(COMMAND).copy()
    batch["sequence"] = np.arange(first_sequence, first_sequence + len(batch))
    batch["time_ns"] = time_ns
    return batch


def start_core_process(data_dir: Path) -> subprocess.Popen[bytes]:
    """`puhui core` on `data_dir`; whoever calls this ends it."""
    limits = ",".join(f'"{name}":{value}' for name, value in vars(LIMITS).items())
    return subprocess.Popen(
        [sys.executable, "-m", "api.cli", "core", "--data", str(data_dir)],
        env=os.environ | {"PUHUI_LIMITS": f"{{{limits}}}"},
        stderr=subprocess.PIPE,
    )


def wait_until(condition: Callable[[], bool], seconds: float = 200.0) -> None:
    """Look again and again at something outside this process that gives no event."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
