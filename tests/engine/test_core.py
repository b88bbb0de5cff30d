"""The core: numbers, durability before events, restart, links that come, stall and go."""

import asyncio
import socket
import threading
import time
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

from engine.codes import CommandKind, EventKind, OrderFlag, Reason, Side, TimeInForce
from engine.core import Core
from engine.journal import JOURNAL_FOLDER, Journal
from engine.journal_format import JournalFailedError, JournalInUseError
from engine.link import HEADER, SOCKET_NAME, FrameKind, connected_socket, frame
from engine.matching.reference import ReferenceEngine
from engine.records import ORDER_EVENT, RECORD_BYTES
from engine.state import state_hash


def _kinds(events: np.ndarray) -> list[EventKind]:
    return [EventKind(kind) for kind in events["kind"]]


def _wait_for_bytes(link: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := link.recv(count - len(data))):
        data += more
    return data


async def test_replies_carry_consecutive_sequences_and_a_time_that_never_falls(
    tmp_path: Path,
) -> None:
    """The core stamps what the sender cannot: sequence, time, gateway; clocks may jump back."""
    times = iter([5_000, 4_000, 9_000, 1])
    async with running_core(tmp_path, clock=lambda: next(times)), connected(tmp_path) as client:
        found = []
        for account in (1, 2, 3):
            forged = make_command(
                CommandKind.OPEN_ACCOUNT, account=account, sequence=77, gateway=9, time_ns=1
            )
            (events,) = await client.submit(forged)
            found.append((int(events["sequence"][0]), int(events["time_ns"][0])))
            assert int(events["gateway"][0]) == 1
    assert found == [(1, 5_000), (2, 5_000), (3, 9_000)]


async def test_no_event_leaves_before_its_command_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk is busy nothing is acknowledged, no query is answered from the future, and
    what arrives meanwhile shares the next syncs."""
    monkeypatch.setattr("engine.core.LONE_COMMANDS", 0)
    may_sync, batches = threading.Event(), []
    append = Journal.append

    def slow_append(self: Journal, batch: np.ndarray) -> int:
        batches.append(len(batch))
        assert may_sync.wait(60)
        return append(self, batch)

    async with running_core(tmp_path), connected(tmp_path) as client:
        monkeypatch.setattr(Journal, "append", slow_append)
        waiting = []
        for account in range(1, 21):
            command = make_command(CommandKind.OPEN_ACCOUNT, account=account)
            waiting.append(asyncio.ensure_future(client.submit(command)))
            # The core runs in this same loop: give it the turns to take and match the command.
            for _ in range(10):
                await asyncio.sleep(0)
        hashed = asyncio.ensure_future(client.state_hash())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not any(future.done() for future in [*waiting, hashed])
        may_sync.set()
        replies = await asyncio.gather(*waiting)
        assert [int(reply[0]["sequence"][0]) for reply in replies] == list(range(1, 21))
        assert 2 <= (await hashed)[0] <= 20
    assert sum(batches) == 20
    assert len(batches) == 3, "one being synced, one behind it, and all the rest together"


async def test_a_failed_sync_stops_the_core_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is acknowledged after it; the next start has everything that was."""

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    core = Core(tmp_path, ReferenceEngine, LIMITS)
    await core.start()
    async with connected(tmp_path) as client:
        await client.submit(set_up_commands())
        monkeypatch.setattr("os.fdatasync", fail)
        lost = asyncio.ensure_future(client.submit(order(BUYER, Side.BUY, 9_000, 1)))
        with pytest.raises(JournalFailedError, match="command"):
            await core.failed
        assert not lost.done()
        await core.stop()
        with pytest.raises(Exception, match="lost before its reply"):
            await lost
    monkeypatch.undo()
    async with running_core(tmp_path) as core:
        assert core.released_sequence in (6, 7)


async def test_a_restart_gives_the_same_state_and_the_same_events(tmp_path: Path) -> None:
    """Hash, open orders and the whole event history are as before the restart."""
    seen: list[bytes] = []
    async with running_core(tmp_path):
        async with connected(tmp_path, on_events=lambda e, _: seen.append(e.tobytes())) as client:
            await client.subscribe(1)
            await client.submit(set_up_commands())
            for number in range(1, 200):
                side = Side.SELL if number % 3 else Side.BUY
                account = SELLER if side == Side.SELL else BUYER
                await client.submit(order(account, side, 10_000 + number % 7, number))
            before = await client.market(), await client.state_hash()
        assert len(before[0].orders)
    again: list[bytes] = []
    async with (
        running_core(tmp_path),
        connected(tmp_path, on_events=lambda e, _: again.append(e.tobytes())) as client,
    ):
        await client.subscribe(1)
        after = await client.market(), await client.state_hash()
        assert after[1] == before[1]
        assert after[0].orders.tobytes() == before[0].orders.tobytes()
        await client.submit(make_command(CommandKind.OPEN_ACCOUNT, account=3))
        assert b"".join(again)[:-RECORD_BYTES] == b"".join(seen)


async def test_a_second_core_is_refused(tmp_path: Path) -> None:
    """One journal has one core; the first goes on undisturbed."""
    async with running_core(tmp_path), connected(tmp_path) as client:
        with pytest.raises(JournalInUseError):
            Core(tmp_path, ReferenceEngine, LIMITS)
        assert (await client.state_hash())[0] == 0


async def test_a_dropped_gateway_loses_what_was_to_go_with_it_and_nothing_else(
    tmp_path: Path,
) -> None:
    """Orders with cancel-on-disconnect of that gateway are cancelled by the core; its other
    orders, and those of other gateways, stand."""
    flags = OrderFlag.CANCEL_ON_DISCONNECT
    cancelled: list[int] = []
    gone = asyncio.Event()

    def watch(events: np.ndarray, _: int) -> None:
        for event in events.view(ORDER_EVENT):
            if event["kind"] == EventKind.ORDER_CANCELLED:
                cancelled.append(int(event["client_id_low"]))
                gone.set()

    async with running_core(tmp_path), connected(tmp_path, on_events=watch) as stays:
        await stays.subscribe(0)
        await stays.submit(set_up_commands())
        await stays.submit(order(BUYER, Side.BUY, 9_500, 1, flags=flags))
        async with connected(tmp_path) as leaves:
            await leaves.submit(order(BUYER, Side.BUY, 9_500, 2, flags=flags))
            await leaves.submit(order(BUYER, Side.BUY, 9_500, 3))
        await gone.wait()
        left = (await stays.market()).orders["client_id_low"].tolist()
    assert cancelled == [2]
    assert left == [1, 3]
    async with running_core(tmp_path), connected(tmp_path) as client:
        left = (await client.market()).orders["client_id_low"].tolist()
    assert left == [3], "no connection outlives the core"


async def test_history_is_followed_by_live_events_without_a_gap(tmp_path: Path) -> None:
    """Whoever subscribes from the past while commands pour in gets each command once, in order."""
    async with running_core(tmp_path), connected(tmp_path) as sender:
        await sender.submit(set_up_commands())
        await asyncio.gather(
            *(sender.submit(order(BUYER, Side.BUY, 9_500, n)) for n in range(1, 3_000))
        )
        sequences: list[int] = []
        async with connected(
            tmp_path, on_events=lambda e, _: sequences.extend(e["sequence"].tolist())
        ) as reader:
            await reader.subscribe(4)
            for number in range(3_000, 3_200):
                await sender.submit(order(BUYER, Side.BUY, 9_500, number))
            (last,) = await reader.submit(make_command(CommandKind.OPEN_ACCOUNT, account=9))
        assert sequences == list(range(4, int(last["sequence"][0]) + 1))


async def test_a_gateway_that_does_not_read_is_closed_and_others_go_on(tmp_path: Path) -> None:
    """A link's unsent bytes are bounded; it can come back and subscribe from where it was."""
    async with running_core(tmp_path, max_unsent_bytes=1 << 16), connected(tmp_path) as client:
        stalled = connected_socket(tmp_path / SOCKET_NAME)
        stalled.send(frame(FrameKind.HELLO, 1, b"stalled") + frame(FrameKind.SUBSCRIBE, 0))
        await client.submit(set_up_commands())
        for start in range(1, 8_000, 500):
            commands = [order(BUYER, Side.BUY, 9_500, start + n) for n in range(500)]
            replies = await client.submit(np.concatenate(commands))
            assert all(_kinds(reply) == [EventKind.ORDER_ACCEPTED] for reply in replies)
        stalled.setblocking(True)
        received = await asyncio.to_thread(_wait_for_bytes, stalled, 8_000 * RECORD_BYTES)
        stalled.close()
        assert len(received) < 8_000 * RECORD_BYTES


HELLO = frame(FrameKind.HELLO, 1, b"hostile")


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: core\r\n\r\n",
        frame(FrameKind.COMMANDS, 0, bytes(RECORD_BYTES)),
        frame(FrameKind.HELLO, 2, b"another version"),
        HELLO + HELLO,
        HELLO + frame(FrameKind.COMMANDS, 0),
        HELLO + frame(FrameKind.COMMANDS, 0, bytes(RECORD_BYTES + 1)),
        HELLO + HEADER.pack(1 << 31, FrameKind.COMMANDS, 0, 0),
        HELLO + HEADER.pack(0, 99, 0, 0),
        HELLO + frame(FrameKind.WELCOME, 0, b"\x01"),
        HELLO + frame(FrameKind.QUERY, 1),
        HELLO + frame(FrameKind.QUERY, 1, b"\x63\0\0\0\0"),
        HELLO + frame(FrameKind.SUBSCRIBE, 99),
        HELLO + frame(FrameKind.SUBSCRIBE, -1),
        HELLO + frame(FrameKind.SUBSCRIBE, 0) + frame(FrameKind.SUBSCRIBE, 0),
    ],
)
async def test_a_link_that_breaks_the_protocol_is_closed(tmp_path: Path, data: bytes) -> None:
    """The core closes it and nothing else happens."""
    async with running_core(tmp_path), connected(tmp_path) as client:
        hostile = connected_socket(tmp_path / SOCKET_NAME)
        hostile.send(data)
        hostile.setblocking(True)
        await asyncio.to_thread(_wait_for_bytes, hostile, 1 << 20)
        hostile.close()
        assert await client.state_hash() == (0, state_hash(ReferenceEngine(LIMITS).export()))


async def test_records_of_noise_are_refused_and_change_nothing(tmp_path: Path) -> None:
    """Whatever a whole record holds, it gets its reply and the state hash stays."""
    random = np.random.default_rng(20_261_120)
    noise = random.integers(0, 256, (300, RECORD_BYTES), np.uint8)
    async with running_core(tmp_path), connected(tmp_path) as client:
        await client.submit(set_up_commands())
        _, before = await client.state_hash()
        commands = np.concatenate([make_command(0)] * len(noise))
        commands.view(np.uint8)[:] = noise.reshape(-1)
        replies = await client.submit(commands)
        kinds = {kind for reply in replies for kind in _kinds(reply)}
        # The two commands of the core that ask for nothing find nothing to do.
        nothing_done = {EventKind.ORDERS_CANCELLED, EventKind.INTERRUPTIONS_ENDED}
        assert kinds - nothing_done == {EventKind.COMMAND_REFUSED}
        assert await client.state_hash() == (306, before)


async def test_the_socket_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Other users of the machine cannot connect; deep folders are no obstacle."""
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    async with running_core(deep), connected(deep) as client:
        assert (deep / SOCKET_NAME).stat().st_mode & 0o777 == 0o600
        assert (deep / JOURNAL_FOLDER).stat().st_mode & 0o777 == 0o700
        assert client.connected


async def test_stopping_answers_everything_that_has_arrived(tmp_path: Path) -> None:
    """A clean stop acknowledges what it took, says goodbye, and leaves a sound journal."""
    core = Core(tmp_path, ReferenceEngine, LIMITS)
    await core.start()
    async with connected(tmp_path) as client:
        await client.submit(set_up_commands())
        waiting = [
            asyncio.ensure_future(client.submit(order(BUYER, Side.BUY, 9_500, number)))
            for number in range(1, 500)
        ]
        await waiting[0]
        await core.stop()
        replies = await asyncio.gather(*waiting, return_exceptions=True)
        acknowledged = [reply for reply in replies if isinstance(reply, list)]
        assert not client.connected
    async with running_core(tmp_path) as again:
        assert again.released_sequence >= 6 + len(acknowledged)


_SECOND_NS = 1_000_000_000


def _good_till(expires_at_ns: int, client_id: int) -> np.ndarray:
    fields = {"time_in_force": TimeInForce.GTD, "expires_at_ns": expires_at_ns}
    return order(BUYER, Side.BUY, 10_000, client_id, **fields)


async def test_no_command_meets_an_order_whose_expiry_has_come(tmp_path: Path) -> None:
    """The batch that is stamped with the very time of expiry begins with taking the order off."""
    now_ns = [_SECOND_NS]
    seen: list[EventKind] = []
    async with (
        running_core(tmp_path, clock=lambda: now_ns[0]),
        connected(tmp_path, on_events=lambda e, _: seen.extend(_kinds(e))) as client,
    ):
        await client.subscribe(0)
        await client.submit(set_up_commands())
        await client.submit(_good_till(100 * _SECOND_NS, 1))
        now_ns[0] = 100 * _SECOND_NS - 1
        (early,) = await client.submit(order(SELLER, Side.SELL, 10_001, 2))
        del seen[:]
        now_ns[0] += 1
        (reply,) = await client.submit(order(SELLER, Side.SELL, 10_000, 3))
        orders = (await client.market()).orders
    assert int(reply["sequence"][0]) == int(early["sequence"][0]) + 2
    expected = [EventKind.ORDERS_CANCELLED, EventKind.ORDER_CANCELLED, EventKind.ORDER_ACCEPTED]
    assert seen == expected, "it is taken off and nothing is traded"
    assert sorted(orders["client_id_low"].tolist()) == [2, 3]


async def test_an_order_expires_though_no_command_comes(tmp_path: Path) -> None:
    """The core looks at the clock by itself, one expiry after the other."""
    expired: list[tuple[int, int]] = []
    both = asyncio.Event()

    def watch(events: np.ndarray, _: int) -> None:
        orders = events.view(ORDER_EVENT)[events["kind"] == EventKind.ORDER_CANCELLED]
        assert (orders["reason"] == Reason.EXPIRED).all()
        expired.extend(
            zip(orders["client_id_low"].tolist(), orders["time_ns"].tolist(), strict=True)
        )
        if len(expired) == 2:
            both.set()

    async with running_core(tmp_path), connected(tmp_path, on_events=watch) as client:
        await client.subscribe(0)
        await client.submit(set_up_commands())
        first_ns = time.time_ns() + _SECOND_NS // 2
        second_ns = first_ns + _SECOND_NS // 20
        await client.submit(np.concatenate([_good_till(second_ns, 2), _good_till(first_ns, 1)]))
        await both.wait()
    assert [client_id for client_id, _ in expired] == [1, 2]
    assert expired[0][1] >= first_ns
    assert expired[1][1] >= second_ns


async def test_an_order_that_expired_while_the_core_was_down_goes_first(tmp_path: Path) -> None:
    """A restart takes off what expired meanwhile, and goes on waiting for the rest."""
    async with running_core(tmp_path, clock=lambda: 1), connected(tmp_path) as client:
        await client.submit(set_up_commands())
        await client.submit(_good_till(1_000, 1))
        await client.submit(_good_till(2_000, 2))
    async with running_core(tmp_path, clock=lambda: 1_500), connected(tmp_path) as client:
        left = (await client.market()).orders
    assert left["client_id_low"].tolist() == [2]
    assert left["expires_at_ns"].tolist() == [2_000]


async def test_an_interruption_ends_when_its_time_has_come(tmp_path: Path) -> None:
    """Ahead of the first command of that time, behind the orders that expire; and after a crash."""
    now_ns = [_SECOND_NS]
    seen: list[EventKind] = []
    rule = {"volatility_ppm": 10_000, "interruption_seconds": 60}
    async with running_core(tmp_path, clock=lambda: now_ns[0]), connected(tmp_path) as client:
        await client.submit(set_up_commands())
        await client.submit(make_command(CommandKind.SET_VOLATILITY, instrument=1, **rule))
        await client.submit(order(SELLER, Side.SELL, 9_800, 1))
        (reply,) = await client.submit(order(BUYER, Side.BUY, 9_900, 2))
        assert _kinds(reply) == [EventKind.ORDER_ACCEPTED, EventKind.VOLATILITY_INTERRUPTED]
        (reply,) = await client.submit(_good_till(61 * _SECOND_NS, 3))
        (market,) = (await client.market()).instruments[1:2]
        assert market["ends_at_ns"] == 61 * _SECOND_NS
    now_ns[0] = 60 * _SECOND_NS
    async with (
        running_core(tmp_path, clock=lambda: now_ns[0]),
        connected(tmp_path, on_events=lambda e, _: seen.extend(_kinds(e))) as client,
    ):
        await client.subscribe(int(reply["sequence"][-1]) + 1)
        await client.submit(order(BUYER, Side.BUY, 9_700, 5))
        now_ns[0] += _SECOND_NS
        await client.submit(order(BUYER, Side.BUY, 9_700, 6))
    assert seen == [
        EventKind.ORDER_ACCEPTED,
        EventKind.ORDERS_CANCELLED,
        EventKind.ORDER_CANCELLED,
        EventKind.INTERRUPTIONS_ENDED,
        EventKind.PHASE_CHANGED,
        EventKind.AUCTION_ENDED,
        EventKind.TRADE,
        EventKind.ORDER_ACCEPTED,
    ]
