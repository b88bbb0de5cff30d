"""kill -9 of the core: what was acknowledged is there exactly once, the rest all or nothing."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random

import dying_core
import dying_gateway
import pytest
from core_driver import BUYER, order, set_up_commands, start_core_process
from fault_driver import (
    Acknowledged,
    check_history,
    connect,
    core_process,
    history_and_hash,
    replayed_hash,
    send,
)

from api.core_client import CoreError
from engine.codes import OrderFlag, Side
from engine.journal import JOURNAL_FOLDER

ORDERS = 10_000
# `make soak` has 200.
KILLS = int(os.environ.get("PUHUI_KILLS", "10"))
# How many orders are on the way at any time.
WIDTH = 64


def start_dying(data_dir: Path, step: str, countdown: int) -> subprocess.Popen[bytes]:
    arguments = [str(data_dir), step, str(countdown)]
    return subprocess.Popen([sys.executable, dying_core.__file__, *arguments])


def _start_gateway(data_dir: Path) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, dying_gateway.__file__, str(data_dir)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE)


async def test_ten_thousand_acknowledged_orders_survive_kill_9(tmp_path: Path) -> None:
    """A real core is killed with orders on the way; restarted, it has each acknowledged one
    exactly once, and its hash is that of an independent replay of its journal."""
    acknowledged = Acknowledged(ORDERS // 2)
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
        with core_process(start_core_process(tmp_path)) as process:
            client = await connect(process, tmp_path)
            if not acknowledged:
                await client.submit(set_up_commands())
            senders = [
                asyncio.ensure_future(send(client, source, acknowledged)) for _ in range(WIDTH)
            ]
            await acknowledged.enough.wait()
            process.kill()
            await asyncio.wait(senders)
            await client.close()
    assert ORDERS < len(acknowledged) < sent, "some were on the way"

    with core_process(start_core_process(tmp_path)) as process:
        events, (_, digest) = await history_and_hash(process, tmp_path)
        process.terminate()
        assert process.wait() == 0, "SIGTERM ends it cleanly"
    check_history(events, acknowledged, sent)
    # A refused order and the clean-up after its sender came later, and changed nothing.
    assert replayed_hash(tmp_path) == digest


@pytest.mark.timeout(30 * KILLS + 300)
async def test_kills_at_random_instants(tmp_path: Path) -> None:
    """Again and again, with orders on the way, now and then before it listens: 0 acknowledged
    orders are lost or doubled, and the hash is that of an independent replay."""
    seed = 20_261_120
    random = Random(seed)
    acknowledged, source, sent = Acknowledged(0), count(1), 0
    for _ in range(KILLS):
        if random.random() < 0.1:
            with core_process(start_core_process(tmp_path)) as process:
                await asyncio.sleep(random.random())
            continue
        with core_process(start_core_process(tmp_path)) as process:
            client = await connect(process, tmp_path)
            if not acknowledged:
                await client.submit(set_up_commands())
            acknowledged.limit = len(acknowledged) + random.randint(1, 150)
            acknowledged.enough.clear()
            senders = [
                asyncio.ensure_future(send(client, source, acknowledged))
                for _ in range(random.choice((1, 8, WIDTH)))
            ]
            await acknowledged.enough.wait()
            process.kill()
            await asyncio.wait(senders)
            await client.close()
    sent = next(source) - 1
    with core_process(start_core_process(tmp_path)) as process:
        events, (_, digest) = await history_and_hash(process, tmp_path)
        process.terminate()
        process.wait()
    check_history(events, acknowledged, sent)
    assert replayed_hash(tmp_path) == digest


@pytest.mark.parametrize("countdown", [1, 2, 7])
@pytest.mark.parametrize("step", dying_core.STEPS)
async def test_death_at_each_step(tmp_path: Path, step: str, countdown: int) -> None:
    """Wherever the core dies, the next one has all that was acknowledged, and each command whole
    or not at all."""
    acknowledged = Acknowledged(ORDERS)
    with core_process(start_dying(tmp_path, step, countdown)) as process:
        client = await connect(process, tmp_path)
        try:
            await client.submit(set_up_commands())
        except CoreError:
            pass
        else:
            await send(client, iter(range(1, 100)), acknowledged)
        assert await asyncio.to_thread(process.wait) == -signal.SIGKILL
        await client.close()
    with core_process(start_dying(tmp_path, "log", countdown=1_000_000)) as process:
        events, (sequence, digest) = await history_and_hash(process, tmp_path)
    assert sequence in {0, *range(6, 106)}, "the six set-up commands are one batch"
    check_history(events, acknowledged, 100)
    assert replayed_hash(tmp_path) == digest


async def test_a_quote_goes_with_the_core_that_knew_its_connection(tmp_path: Path) -> None:
    """After kill -9 nobody is left to withdraw it: the next core does, before it listens."""
    with core_process(start_core_process(tmp_path)) as process:
        client = await connect(process, tmp_path)
        await client.submit(set_up_commands())
        await client.submit(order(BUYER, Side.BUY, 9_500, 1))
        await client.submit(order(BUYER, Side.BUY, 9_500, 2, flags=OrderFlag.CANCEL_ON_DISCONNECT))
        process.kill()
        process.wait()
        await client.close()
    with core_process(start_core_process(tmp_path)) as process:
        client = await connect(process, tmp_path)
        assert (await client.market()).orders["client_id_low"].tolist() == [1]
        await client.close()


async def test_a_killed_gateway_takes_its_quotes_along(tmp_path: Path) -> None:
    """The core cancels what was to go with its connection; everything else stands."""
    with core_process(start_core_process(tmp_path)) as process:
        client = await connect(process, tmp_path)
        await client.submit(set_up_commands())
        with core_process(_start_gateway(tmp_path)) as gateway:
            assert gateway.stdout
            assert await asyncio.to_thread(gateway.stdout.readline) == b"ready\n"
            assert len((await client.market()).orders) == 2
            gateway.kill()
            gateway.stdout.close()
        # Nothing tells this client that it has happened.
        while len(orders := (await client.market()).orders) == 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert orders["client_id_low"].tolist() == [1]
        await client.close()


async def test_a_second_core_process_leaves_the_first_alone(tmp_path: Path) -> None:
    """It says why, ends with the status that means "do not try again", and harms nothing."""
    with core_process(start_core_process(tmp_path)) as first:
        client = await connect(first, tmp_path)
        with core_process(start_core_process(tmp_path)) as second:
            _, errors = second.communicate()
            assert second.returncode == 78
            assert b"another core holds the journal" in errors
        assert (await client.state_hash())[0] == 0
        await client.close()


async def test_a_damaged_journal_halts_the_start(tmp_path: Path) -> None:
    """A core does not start on a journal whose synced bytes have changed; it names the record."""
    with core_process(start_core_process(tmp_path)) as process:
        client = await connect(process, tmp_path)
        await client.submit(set_up_commands())
        await client.close()
        process.terminate()
        process.wait()
    (path,) = (tmp_path / JOURNAL_FOLDER).glob("*.journal")
    with path.open("r+b") as file:
        file.seek(4096 + 64 + 128 + 20)
        file.write(b"\x55")
    with core_process(start_core_process(tmp_path)) as process:
        _, errors = process.communicate()
    assert process.returncode == 78
    assert b"the batch of command 1 at byte 4096: it fails its checksum" in errors
