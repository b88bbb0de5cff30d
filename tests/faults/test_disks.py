"""Disks that run full and disks whose power is cut, under a real core process."""

from __future__ import annotations

import asyncio
import shutil
import signal
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from core_driver import BUYER, order, set_up_commands, start_core_process
from engine_driver import make_command
from fault_driver import (
    Acknowledged,
    check_history,
    connect,
    core_process,
    history_and_hash,
    replayed_hash,
    send,
)
from small_disk import fill, image_disk, make_image, small_disk

from api.core_client import CoreClient, CoreUnavailable
from engine.codes import CommandKind, EventKind, Side

ENOUGH = 300


async def _enter(client: CoreClient, numbers: count[int], *, until_refused: bool) -> int:
    """Enter orders until one is refused for want of room, or until none is; how many went in."""
    entered = 0
    while True:
        try:
            (reply,) = await client.submit(order(BUYER, Side.BUY, 9_500, next(numbers)))
        except CoreUnavailable:
            if until_refused:
                return entered
            await asyncio.sleep(0.05)  # there is no event that a client could wait for
            continue
        assert reply["kind"][0] == EventKind.ORDER_ACCEPTED
        entered += 1
        if not until_refused:
            return entered


async def _cancel_and_administer(client: CoreClient, numbers: range) -> None:
    cancels = [
        make_command(CommandKind.CANCEL_ORDER, account=BUYER, target=1, client_id_low=number)
        for number in numbers
    ]
    deposit = make_command(CommandKind.DEPOSIT_CASH, account=BUYER, amount_fen=1)
    replies = await client.submit(np.concatenate([*cancels, deposit]))
    kinds = [EventKind(int(reply["kind"][0])) for reply in replies]
    assert set(kinds[:-1]) == {EventKind.ORDER_CANCELLED}
    assert kinds[-1] == EventKind.CASH_DEPOSITED


async def test_a_full_disk_refuses_orders_and_takes_cancels(tmp_path: Path) -> None:
    """Also after kill -9 and a start on the full disk; when there is room again, orders too."""
    numbers = count(1)
    with small_disk(tmp_path / "disk") as disk:
        data_dir = disk / "data"
        with core_process(start_core_process(data_dir)) as process:
            client = await connect(process, data_dir)
            await client.submit(set_up_commands())
            commands = [order(BUYER, Side.BUY, 9_500, next(numbers)) for _ in range(ENOUGH)]
            await client.submit(np.concatenate(commands))
            filler = fill(disk)
            # The core looks between batches: on a busy machine a second order slips in before.
            assert await _enter(client, numbers, until_refused=True) <= 2
            await _cancel_and_administer(client, range(1, 100))
            process.kill()
            process.wait()
            await client.close()
        with core_process(start_core_process(data_dir)) as process:
            client = await connect(process, data_dir)
            assert await _enter(client, numbers, until_refused=True) <= 1
            await _cancel_and_administer(client, range(100, 200))
            filler.unlink()
            await _enter(client, numbers, until_refused=False)
            _, digest = await client.state_hash()
            await client.close()
            process.terminate()
            assert process.wait() == 0
        assert replayed_hash(data_dir) == digest


@pytest.mark.parametrize("share", [1, 2, 3])
async def test_a_power_cut_loses_nothing_acknowledged(tmp_path: Path, share: int) -> None:
    """A copy of the disk as it is at some instant: a core that starts on it has every order that
    was acknowledged by then, once."""
    image, copy = tmp_path / "image", tmp_path / "copy"
    make_image(image)
    acknowledged, source = Acknowledged(ENOUGH * share), count(1)
    with (
        image_disk(image, tmp_path / "disk") as disk,
        core_process(start_core_process(disk / "data")) as process,
    ):
        client = await connect(process, disk / "data")
        await client.submit(set_up_commands())
        senders = [asyncio.ensure_future(send(client, source, acknowledged)) for _ in range(16)]
        await acknowledged.enough.wait()
        # The copy takes a while, and must be of one instant.
        process.send_signal(signal.SIGSTOP)
        before = Acknowledged(0)
        before.update(acknowledged)
        shutil.copyfile(image, copy)
        process.send_signal(signal.SIGKILL)
        await asyncio.wait(senders)
        await client.close()
        process.wait()
    with (
        image_disk(copy, tmp_path / "after") as disk,
        core_process(start_core_process(disk / "data")) as process,
    ):
        events, (_, digest) = await history_and_hash(process, disk / "data")
        process.terminate()
        process.wait()
        check_history(events, before, next(source))
        assert replayed_hash(disk / "data") == digest
