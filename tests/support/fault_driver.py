"""Load on a core process that dies, and what must be true of the one after it."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
from core_driver import BUYER, LIMITS, SELLER, order

from api.core_client import CoreClient, CoreError, CoreUnavailable
from engine.codes import EventKind, Side
from engine.journal import JOURNAL_FOLDER, Journal
from engine.link import SOCKET_NAME
from engine.matching.reference import ReferenceEngine
from engine.records import COMMAND, EVENT, ORDER_EVENT
from engine.state import state_hash


@contextmanager
def core_process(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


async def connect(
    process: subprocess.Popen[bytes], data_dir: Path, events: list[np.ndarray] | None = None
) -> CoreClient:
    """A client as soon as the core listens; a core that ends instead fails the test."""
    while process.poll() is None:
        try:
            return await CoreClient.connect(
                data_dir / SOCKET_NAME,
                "test",
                None if events is None else lambda found, _: events.append(found),
            )
        except CoreUnavailable:
            await asyncio.sleep(0.02)
    raise AssertionError(f"the core ended with {process.returncode}")


class Acknowledged(dict[int, bytes]):
    """The reply to each order, by its number; `enough` is set when there are `limit`."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.enough = asyncio.Event()

    def __setitem__(self, number: int, reply: bytes) -> None:
        super().__setitem__(number, reply)
        if len(self) >= self.limit:
            self.enough.set()


async def send(client: CoreClient, numbers: Iterator[int], acknowledged: Acknowledged) -> None:
    """Send orders, each when the one before is acknowledged, until the core is lost."""
    for number in numbers:
        side = Side(number % 2)
        account = BUYER if side == Side.BUY else SELLER
        command = order(account, side, 9_990 + number % 21, number, quantity_lots=1 + number % 5)
        try:
            (reply,) = await client.submit(command)
        except CoreError:
            return
        acknowledged[number] = reply.tobytes()


def check_history(events: np.ndarray, acknowledged: Acknowledged, sent: int) -> None:
    """Each acknowledged order is there once, with the very events that were acknowledged."""
    sequences = np.unique(events["sequence"])
    assert sequences.tolist() == list(range(1, len(sequences) + 1))
    starts = np.searchsorted(events["sequence"], sequences)
    bounds = [*starts.tolist(), len(events)]
    entries = events.view(ORDER_EVENT)
    found: dict[int, bytes] = {}
    for start, end in pairwise(bounds):
        if events[start]["kind"] == EventKind.ORDER_ACCEPTED:
            number = int(entries[start]["client_id_low"])
            assert number not in found, "an order is there twice"
            found[number] = events[start:end].tobytes()
    assert not set(found) - set(range(1, sent + 1))
    assert {number: found.get(number) for number in acknowledged} == dict(acknowledged)


def replayed_hash(data_dir: Path) -> str:
    """The state after the whole journal, by the engine that is not the core's."""
    journal = Journal(data_dir / JOURNAL_FOLDER, LIMITS)
    engine = ReferenceEngine(journal.limits)
    for batch in journal.read():
        engine.apply(np.frombuffer(bytearray(batch.tobytes()), COMMAND))
    journal.close()
    return state_hash(engine.export())


async def history_and_hash(
    process: subprocess.Popen[bytes], data_dir: Path
) -> tuple[np.ndarray, tuple[int, str]]:
    batches: list[np.ndarray] = []
    client = await connect(process, data_dir, batches)
    sequence, digest = await client.state_hash()
    if sequence:
        await client.subscribe(1)
        # History is complete when a live reply, here a refusal, has come behind it.
        await client.submit(order(BUYER, Side.ANY, 1, 0))
    await client.close()
    events = np.concatenate(batches) if batches else np.zeros(0, EVENT)
    return events, (sequence, digest)
