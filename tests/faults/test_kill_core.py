"""kill -9 of the core: what was acknowledged is there exactly once, the rest all or nothing."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import dying_core
import numpy as np
import pytest
from core_driver import BUYER, LIMITS, SELLER, order, set_up_commands, start_core_process

from api.core_client import CoreClient, CoreError, CoreUnavailable
from engine.codes import EventKind, OrderFlag, Side
from engine.journal import JOURNAL_FOLDER, Journal
from engine.link import SOCKET_NAME
from engine.matching.reference import ReferenceEngine
from engine.records import COMMAND, EVENT, ORDER_EVENT
from engine.state import state_hash

ORDERS = 10_000
# How many orders are on the way at any time.
WIDTH = 64


@contextmanager
def _core(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


def _start_dying(data_dir: Path, step: str, countdown: int) -> subprocess.Popen[bytes]:
    arguments = [str(data_dir), step, str(countdown)]
    return subprocess.Popen([sys.executable, dying_core.__file__, *arguments])


async def _connect(
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


class _Acknowledged(dict[int, bytes]):
    """The reply to each order, by its number; `enough` is set when there are `limit`."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.enough = asyncio.Event()

    def __setitem__(self, number: int, reply: bytes) -> None:
        super().__setitem__(number, reply)
        if len(self) >= self.limit:
            self.enough.set()


async def _send(client: CoreClient, numbers: Iterator[int], acknowledged: _Acknowledged) -> None:
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


def _check_history(events: np.ndarray, acknowledged: _Acknowledged, sent: int) -> None:
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


def _replayed_hash(data_dir: Path) -> str:
    """The state after the whole journal, by the engine that is not the core's."""
    journal = Journal(data_dir / JOURNAL_FOLDER, LIMITS)
    engine = ReferenceEngine(journal.limits)
    for batch in journal.read():
        engine.apply(np.frombuffer(bytearray(batch.tobytes()), COMMAND))
    journal.close()
    return state_hash(engine.export())


async def _history_and_hash(
    process: subprocess.Popen[bytes], data_dir: Path
) -> tuple[np.ndarray, tuple[int, str]]:
    batches: list[np.ndarray] = []
    client = await _connect(process, data_dir, batches)
    sequence, digest = await client.state_hash()
    if sequence:
        await client.subscribe(1)
        # History is complete when a live reply, here a refusal, has come behind it.
        await client.submit(order(BUYER, Side.ANY, 1, 0))
    await client.close()
    events = np.concatenate(batches) if batches else np.zeros(0, EVENT)
    return events, (sequence, digest)


async def test_ten_thousand_acknowledged_orders_survive_kill_9(tmp_path: Path) -> None:
    """A real core is killed with orders on the way; restarted, it has each acknowledged one
    exactly once, and its hash is that of an independent replay of its journal."""
    acknowledged = _Acknowledged(ORDERS // 2)
    sent = 0

    def numbers() -> Iterator[int]:
        nonlocal sent
        while True:
            sent += 1
            yield sent

    source = numbers()
    # The third run is killed with only the first orders on the way.
    for limit in (ORDERS // 2, ORDERS, ORDERS + 1):
        acknowledged.limit = limit
        acknowledged.enough.clear()
        with _core(start_core_process(tmp_path)) as process:
            client = await _connect(process, tmp_path)
            if not acknowledged:
                await client.submit(set_up_commands())
            senders = [
                asyncio.ensure_future(_send(client, source, acknowledged)) for _ in range(WIDTH)
            ]
            await acknowledged.enough.wait()
            process.kill()
            await asyncio.wait(senders)
            await client.close()
    assert ORDERS < len(acknowledged) < sent, "some were on the way"

    with _core(start_core_process(tmp_path)) as process:
        events, (_, digest) = await _history_and_hash(process, tmp_path)
        process.terminate()
        assert process.wait() == 0, "SIGTERM ends it cleanly"
    _check_history(events, acknowledged, sent)
    # A refused order and the clean-up after its sender came later, and changed nothing.
    assert _replayed_hash(tmp_path) == digest


@pytest.mark.parametrize("countdown", [1, 2, 7])
@pytest.mark.parametrize("step", dying_core.STEPS)
async def test_death_at_each_step(tmp_path: Path, step: str, countdown: int) -> None:
    """Wherever the core dies, the next one has all that was acknowledged, and each command whole
    or not at all."""
    acknowledged = _Acknowledged(ORDERS)
    with _core(_start_dying(tmp_path, step, countdown)) as process:
        client = await _connect(process, tmp_path)
        try:
            await client.submit(set_up_commands())
        except CoreError:
            pass
        else:
            await _send(client, iter(range(1, 100)), acknowledged)
        assert await asyncio.to_thread(process.wait) == -signal.SIGKILL
        await client.close()
    with _core(_start_dying(tmp_path, "log", countdown=1_000_000)) as process:
        events, (sequence, digest) = await _history_and_hash(process, tmp_path)
    assert sequence in {0, *range(6, 106)}, "the six set-up commands are one batch"
    _check_history(events, acknowledged, 100)
    assert _replayed_hash(tmp_path) == digest


async def test_a_quote_goes_with_the_core_that_knew_its_connection(tmp_path: Path) -> None:
    """After kill -9 nobody is left to withdraw it: the next core does, before it listens."""
    with _core(start_core_process(tmp_path)) as process:
        client = await _connect(process, tmp_path)
        await client.submit(set_up_commands())
        await client.submit(order(BUYER, Side.BUY, 9_500, 1))
        await client.submit(order(BUYER, Side.BUY, 9_500, 2, flags=OrderFlag.CANCEL_ON_DISCONNECT))
        process.kill()
        process.wait()
        await client.close()
    with _core(start_core_process(tmp_path)) as process:
        client = await _connect(process, tmp_path)
        assert (await client.market()).orders["client_id_low"].tolist() == [1]
        await client.close()


async def test_a_second_core_process_leaves_the_first_alone(tmp_path: Path) -> None:
    """It says why, ends with the status that means "do not try again", and harms nothing."""
    with _core(start_core_process(tmp_path)) as first:
        client = await _connect(first, tmp_path)
        with _core(start_core_process(tmp_path)) as second:
            _, errors = second.communicate()
            assert second.returncode == 78
            assert b"another core holds the journal" in errors
        assert (await client.state_hash())[0] == 0
        await client.close()


async def test_a_damaged_journal_halts_the_start(tmp_path: Path) -> None:
    """A core does not start on a journal whose synced bytes have changed; it names the record."""
    with _core(start_core_process(tmp_path)) as process:
        client = await _connect(process, tmp_path)
        await client.submit(set_up_commands())
        await client.close()
        process.terminate()
        process.wait()
    (path,) = (tmp_path / JOURNAL_FOLDER).glob("*.journal")
    with path.open("r+b") as file:
        file.seek(4096 + 64 + 128 + 20)
        file.write(b"\x55")
    with _core(start_core_process(tmp_path)) as process:
        _, errors = process.communicate()
    assert process.returncode == 78
    assert b"the batch of command 1 at byte 4096: it fails its checksum" in errors
