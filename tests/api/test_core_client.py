"""The gateway's side of the link: replies, failures and coming back."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from core_driver import (
    BUYER,
    LIMITS,
    SELLER,
    connected,
    order,
    running_core,
    set_up_commands,
)
from engine_driver import make_command

from api.core_client import CoreClient, CoreUnavailable, ExecutionUnknown
from api.sync_core import SyncCore
from engine.codes import CommandKind, EventKind, Side
from engine.core import Core
from engine.link import SOCKET_NAME, FrameKind, FrameReader, frame, listening_socket
from engine.matching.reference import ReferenceEngine
from engine.records import COMMAND, EVENT


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    async with running_core(tmp_path) as running:
        yield running


async def test_each_command_gets_its_own_events(core: Core, tmp_path: Path) -> None:
    """A submission's replies are in its order, each with all the events of its command."""
    async with connected(tmp_path) as client:
        await client.submit(set_up_commands())
        commands = [order(SELLER, Side.SELL, 10_000, 1, quantity_lots=2)]
        commands += [order(BUYER, Side.BUY, 10_000, number) for number in (2, 3, 4)]
        replies = await client.submit(np.concatenate(commands))
        assert await client.submit(np.zeros(0, COMMAND)) == []
    trade = [EventKind.ORDER_ACCEPTED, EventKind.TRADE]
    accepted = [EventKind.ORDER_ACCEPTED]
    assert [reply["kind"].tolist() for reply in replies] == [accepted, trade, trade, accepted]
    assert all(reply.dtype == EVENT for reply in replies)


async def test_many_submissions_at_once(core: Core, tmp_path: Path) -> None:
    """Thousands in one turn of the loop, and one longer than a frame, are all answered once."""
    async with connected(tmp_path) as client:
        await client.submit(set_up_commands())
        singles = [client.submit(order(BUYER, Side.BUY, 9_500, n)) for n in range(1, 6_001)]
        long = np.concatenate([order(BUYER, Side.BUY, 9_500, n) for n in range(6_001, 11_001)])
        *replies, last = await asyncio.gather(*singles, client.submit(long))
        events = np.concatenate([*(reply for (reply,) in replies), *last])
    assert (events["code"] == 0).all()
    assert events["sequence"].tolist() == list(range(7, 11_007))


async def test_two_clients_get_each_their_own(core: Core, tmp_path: Path) -> None:
    """Replies go to their sender, with or without a subscription to everything."""
    async with connected(tmp_path, "one") as one, connected(tmp_path, "two") as two:
        await two.subscribe(1)
        opens = [make_command(CommandKind.OPEN_ACCOUNT, account=number) for number in range(1, 60)]
        clients = [one, two] * 30
        replies = await asyncio.gather(
            *(client.submit(command) for client, command in zip(clients, opens, strict=False))
        )
        for client, (events,) in zip(clients, replies, strict=False):
            assert events["gateway"].tolist() == [client.gateway_number]


async def test_events_are_delivered_before_the_reply(core: Core, tmp_path: Path) -> None:
    """When `submit` returns, `on_events` has seen what it caused."""
    seen: list[int] = []
    async with connected(tmp_path, on_events=lambda _, last: seen.append(last)) as client:
        await client.subscribe(1)
        for account in range(1, 30):
            (events,) = await client.submit(make_command(CommandKind.OPEN_ACCOUNT, account=account))
            assert seen[-1] == client.delivered_sequence == int(events["sequence"][0])


async def test_questions(core: Core, tmp_path: Path) -> None:
    """Answers tell the state and the sequence of which it is the state."""
    async with connected(tmp_path) as client:
        await client.submit(set_up_commands())
        await client.submit(order(BUYER, Side.BUY, 9_500, 1))
        account = await client.account(BUYER)
        assert account.account["held_fen"] == 9_500
        assert account.positions["buying_lots"].tolist() == [1]
        unknown = await client.account(55)
        assert not unknown.account["is_open"]
        market = await client.market()
        assert market.instruments["is_defined"].tolist() == [0, 1]
        assert market.orders["account"].tolist() == [BUYER]
        balances = await client.balances()
        assert balances.accounts["held_fen"].sum() == 9_500
        sequence, digest = await client.state_hash()
        assert {account.sequence, market.sequence, balances.sequence, sequence} == {7}
        assert len(digest) == 64


async def test_worker_threads_ask_the_same(core: Core, tmp_path: Path) -> None:
    """SyncCore waits in its own thread for what the loop's client gets."""
    async with connected(tmp_path) as client:
        sync_core = SyncCore(client, asyncio.get_running_loop())
        replies = await asyncio.to_thread(sync_core.submit, set_up_commands())
        assert len(replies) == 6
        account = await asyncio.to_thread(sync_core.account, SELLER)
        balances = await asyncio.to_thread(sync_core.balances)
        assert account.account.tobytes() == balances.accounts[SELLER].tobytes()


async def test_without_a_core_nothing_is_sent(tmp_path: Path) -> None:
    """No socket, or a dead one, is CoreUnavailable."""
    with pytest.raises(CoreUnavailable):
        await CoreClient.connect(tmp_path / SOCKET_NAME, "test")
    listening_socket(tmp_path / SOCKET_NAME).close()
    with pytest.raises(CoreUnavailable):
        await CoreClient.connect(tmp_path / SOCKET_NAME, "test")


class _FakeCore(asyncio.Protocol):
    """Greets, takes commands, and hangs up without an answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._reader = FrameReader()

    def data_received(self, data: bytes) -> None:
        for kind, _, _ in self._reader.feed(data):
            if kind is FrameKind.HELLO:
                self._transport.write(frame(FrameKind.WELCOME, 5, b"\x01"))
            else:
                self._transport.abort()


async def test_a_command_sent_and_not_answered_is_of_unknown_outcome(tmp_path: Path) -> None:
    """ExecutionUnknown while it was on the way, CoreUnavailable once the link is known lost."""
    lost = asyncio.Event()
    listener = listening_socket(tmp_path / SOCKET_NAME)
    server = await asyncio.get_running_loop().create_unix_server(_FakeCore, sock=listener)
    client = await CoreClient.connect(tmp_path / SOCKET_NAME, "test", on_lost=lost.set)
    with pytest.raises(ExecutionUnknown):
        await client.submit(make_command(CommandKind.OPEN_ACCOUNT, account=1))
    assert lost.is_set()
    assert not client.connected
    with pytest.raises(CoreUnavailable):
        await client.submit(make_command(CommandKind.OPEN_ACCOUNT, account=1))
    with pytest.raises(CoreUnavailable):
        await client.state_hash()
    server.close()
    await server.wait_closed()


async def test_a_client_comes_back_without_a_gap(tmp_path: Path) -> None:
    """After a restart of the core it reconnects and goes on behind the last event it had."""
    sequences: list[int] = []
    back = asyncio.Event()
    first = Core(tmp_path, ReferenceEngine, LIMITS)
    await first.start()
    client = await CoreClient.connect(
        tmp_path / SOCKET_NAME, "test", lambda e, _: sequences.extend(e["sequence"].tolist())
    )
    keeper = asyncio.ensure_future(client.stay_connected(back.set))
    await client.subscribe(1)
    await client.submit(set_up_commands())
    await first.stop()
    async with running_core(tmp_path), connected(tmp_path) as other:
        await other.submit(make_command(CommandKind.OPEN_ACCOUNT, account=5))
        await back.wait()
        await client.submit(make_command(CommandKind.OPEN_ACCOUNT, account=6))
        assert sequences == list(range(1, 9))
        await client.close()
        await keeper


async def test_a_core_that_knows_less_than_before_is_not_believed(tmp_path: Path) -> None:
    """A lost journal must not be taken for an exchange where those trades never were."""
    first = Core(tmp_path, ReferenceEngine, LIMITS)
    await first.start()
    client = await CoreClient.connect(tmp_path / SOCKET_NAME, "test", lambda *_: None)
    await client.subscribe(1)
    await client.submit(set_up_commands())
    await first.stop()
    for path in (tmp_path / "journal").glob("*.journal"):
        os.unlink(path)
    async with running_core(tmp_path):
        with pytest.raises(CoreUnavailable, match="fewer"):
            await client.open()


async def test_events_that_cannot_be_taken_close_the_link(core: Core, tmp_path: Path) -> None:
    """A consumer that fails has missed something: it is told that the link is lost."""
    lost = asyncio.Event()

    def fail(*_: object) -> None:
        raise ValueError("no")

    client = await CoreClient.connect(tmp_path / SOCKET_NAME, "test", fail, lost.set)
    await client.subscribe(1)
    with pytest.raises(ExecutionUnknown):
        await client.submit(make_command(CommandKind.OPEN_ACCOUNT, account=1))
    await lost.wait()
    assert client.delivered_sequence == 0
