"""Recovery: the newest sound snapshot and the journal behind it, or a longer way to the same."""

import asyncio
import os
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
    wait_until,
)
from structlog.testing import capture_logs

from api.core_client import CoreUnavailable
from engine.archive import ARCHIVE_FOLDER
from engine.codes import Side
from engine.core import Core
from engine.event_log import EVENTS_FOLDER
from engine.journal import JOURNAL_FOLDER, Journal
from engine.journal_format import JournalDamagedError, ReplayDivergedError
from engine.matching.engine import Engine
from engine.matching.reference import ReferenceEngine
from engine.records import RECORD_BYTES
from engine.snapshot import SNAPSHOTS_FOLDER, list_snapshots, read_header
from engine.snapshot_keeper import SnapshotPolicy
from engine.snapshotter import make_snapshot
from engine.state import EngineState, state_hash
from engine.storage import Sizes

NEVER = SnapshotPolicy(check_seconds=3_600)


def _orders(first: int, last: int) -> np.ndarray:
    """Orders with client ids from `first` to `last`; some rest and some trade."""
    return np.concatenate(
        [
            order(BUYER, Side.BUY, 9_990 + number % 21, number)
            if number % 2
            else order(SELLER, Side.SELL, 9_990 + number % 19, number)
            for number in range(first, last + 1)
        ]
    )


async def _run(data_dir: Path, *batches: np.ndarray, policy: SnapshotPolicy | None = None) -> str:
    """A core that takes these commands and stops cleanly; the state hash at the end."""
    async with (
        running_core(data_dir, make_engine=Engine, snapshots=policy),
        connected(data_dir) as client,
    ):
        for batch in batches:
            await client.submit(batch)
        return (await client.state_hash())[1]


async def _history(data_dir: Path, make_engine: object = Engine) -> tuple[bytes, str]:
    """All events that a core gives to a consumer without a checkpoint, and its state hash."""
    found: list[bytes] = []
    async with (
        running_core(data_dir, make_engine=make_engine),
        connected(data_dir, on_events=lambda e, _: found.append(e.tobytes())) as client,
    ):
        sequence, digest = await client.state_hash()
        await client.subscribe(1)
        # A query is answered behind what is being sent only once the link is live.
        while client.delivered_sequence < sequence:  # noqa: ASYNC110
            await asyncio.sleep(0)
    return b"".join(found), digest


@pytest.fixture
def grown(tmp_path: Path) -> tuple[Path, bytes, str]:
    """A folder with snapshots of commands 6, 106 and 206 and a journal up to 256; its events and
    its state hash by the reference engine."""

    async def fill() -> None:
        await _run(tmp_path, set_up_commands(), policy=NEVER)
        await _run(tmp_path, _orders(1, 100), policy=NEVER)
        await _run(tmp_path, _orders(101, 200), policy=NEVER)
        await _run(tmp_path, _orders(201, 250))

    asyncio.run(fill())
    events, digest = asyncio.run(_history(tmp_path, ReferenceEngine))
    return tmp_path, events, digest


def _snapshots(data_dir: Path) -> list[int]:
    return [read_header(path).sequence for path in list_snapshots(data_dir / SNAPSHOTS_FOLDER)]


def _marks(data_dir: Path) -> dict[int, str]:
    journal = Journal(data_dir / JOURNAL_FOLDER, LIMITS)
    marks = journal.read_marks()
    journal.close()
    return marks


def _lose_snapshots(data_dir: Path) -> None:
    for path in list_snapshots(data_dir / SNAPSHOTS_FOLDER):
        path.unlink()


def _change_event(data_dir: Path, sequence: int) -> None:
    """Let the log have another event than the core gave."""
    (path,) = (data_dir / EVENTS_FOLDER).glob("*.events")
    sequences = np.frombuffer(path.read_bytes(), np.int64).reshape(-1, 16)[:, 0]
    with path.open("r+b") as file:
        file.seek(RECORD_BYTES * int(np.flatnonzero(sequences == sequence)[0]) + 60)
        file.write(b"\x99")


def _damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        byte = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([byte[0] ^ 1]))


def _used(logs: list[dict[str, object]]) -> object:
    (replayed,) = (log for log in logs if log["event"] == "core: journal replayed")
    return replayed["snapshot"]


@pytest.mark.parametrize(("damaged", "used"), [(0, 206), (1, 106), (2, 6), (3, 0)])
async def test_damaged_snapshots_cost_time_only(
    grown: tuple[Path, bytes, str], damaged: int, used: int
) -> None:
    """The newest sound one is taken, each other is named, and state and events are the same."""
    data_dir, events, digest = grown
    assert _snapshots(data_dir) == [206, 106, 6]
    for path in list_snapshots(data_dir / SNAPSHOTS_FOLDER)[:damaged]:
        _damage(path)
    with capture_logs() as logs:
        assert await _history(data_dir) == (events, digest)
    assert _used(logs) == used
    assert len([log for log in logs if log["event"] == "core: snapshot passed over"]) == damaged


@pytest.mark.parametrize(("kept_events", "used"), [(206, 206), (205, 106), (60, 6), (1, 0), (0, 0)])
async def test_a_lost_event_log_is_made_again(
    grown: tuple[Path, bytes, str], kept_events: int, used: int
) -> None:
    """Events before a snapshot cannot be made from it: the replay begins where the log ends."""
    data_dir, events, digest = grown
    (path,) = (data_dir / EVENTS_FOLDER).glob("*.events")
    if kept_events:
        sequences = np.frombuffer(path.read_bytes(), np.int64).reshape(-1, 16)[:, 0]
        os.truncate(path, 128 * int(np.searchsorted(sequences, kept_events, side="right")))
    else:
        path.unlink()
    with capture_logs() as logs:
        assert await _history(data_dir) == (events, digest)
    assert _used(logs) == used


async def test_a_consumer_resumes_from_a_checkpoint_before_the_snapshot(
    grown: tuple[Path, bytes, str],
) -> None:
    """A settlement that stands at command 50 gets 51 and all that follows."""
    data_dir, events, _ = grown
    found: list[np.ndarray] = []
    async with (
        running_core(data_dir, make_engine=Engine),
        connected(data_dir, on_events=lambda e, _: found.append(e)) as client,
    ):
        await client.subscribe(51)
        while client.delivered_sequence < 256:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert events.endswith(b"".join(batch.tobytes() for batch in found))
    assert found[0]["sequence"][0] == 51


async def test_a_snapshot_of_another_engine_is_passed_over(
    grown: tuple[Path, bytes, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade that changes a layout the journal tells everything."""
    data_dir, events, digest = grown
    monkeypatch.setattr("engine.replay.fingerprint", lambda *_: bytes(32))
    with capture_logs() as logs:
        assert await _history(data_dir) == (events, digest)
    assert _used(logs) == 0
    assert "another layout" in str(logs)


async def test_a_journal_that_does_not_reach_the_snapshot_halts(
    grown: tuple[Path, bytes, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Commands that were on disk once are gone: nobody goes on from there in silence."""
    data_dir, _, _ = grown
    other = tmp_path_factory.mktemp("other")
    await _run(other, set_up_commands(), _orders(1, 50))
    for path in (data_dir / JOURNAL_FOLDER).glob("*.journal"):
        (other / JOURNAL_FOLDER / path.name).rename(path)
    with pytest.raises(JournalDamagedError, match=r"ends with command 56, before the snapshot"):
        Core(data_dir, Engine, LIMITS)


async def test_another_journal_under_a_snapshot_halts(
    grown: tuple[Path, bytes, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The chain tells that the commands before the snapshot are not those that it was made of."""
    data_dir, _, _ = grown
    other = tmp_path_factory.mktemp("other")
    await _run(other, set_up_commands(), _orders(2, 101), _orders(301, 400), _orders(401, 420))
    for path in (data_dir / JOURNAL_FOLDER).glob("*.journal"):
        (other / JOURNAL_FOLDER / path.name).rename(path)
    with pytest.raises(JournalDamagedError, match=r"does not belong to this journal"):
        Core(data_dir, Engine, LIMITS)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (0, "the first command that differs is one of 7 to 106, and"),
        (50, "command 50 is the first"),
    ],
)
def test_a_state_other_than_the_marked_one_halts(
    grown: tuple[Path, bytes, str], changed: int, expected: str
) -> None:
    """A replay that comes to another state than the core did is believed by nobody."""
    data_dir, _, _ = grown
    journal = Journal(data_dir / JOURNAL_FOLDER, LIMITS)
    journal.mark(106, "ab" * 32)
    journal.close()
    if changed:
        _change_event(data_dir, changed)
    _lose_snapshots(data_dir)

    async def start() -> None:
        Core(data_dir, Engine, LIMITS)

    with pytest.raises(ReplayDivergedError, match=rf"after command 106 .*; {expected}"):
        asyncio.run(start())


def test_a_replay_in_full_meets_every_mark(
    grown: tuple[Path, bytes, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without snapshots the hash at each mark is compared, and each is right."""
    data_dir, events, digest = grown
    _lose_snapshots(data_dir)
    hashed: list[str] = []

    def note(state: EngineState) -> str:
        hashed.append(state_hash(state))
        return hashed[-1]

    monkeypatch.setattr("engine.replay.state_hash", note)
    assert asyncio.run(_history(data_dir)) == (events, digest)
    assert hashed == list(_marks(data_dir).values())
    assert list(_marks(data_dir)) == [6, 106, 206]


def test_a_snapshot_beside_a_core_is_that_of_the_core(grown: tuple[Path, bytes, str]) -> None:
    """The second engine comes to the same hash, and what it writes is the next start's."""
    data_dir, events, digest = grown
    header = make_snapshot(data_dir, 256)
    assert (header.sequence, header.state_hash) == (256, digest)
    with capture_logs() as logs:
        assert asyncio.run(_history(data_dir)) == (events, digest)
    assert _used(logs) == 256


def test_a_snapshot_on_a_full_disk(grown: tuple[Path, bytes, str]) -> None:
    """The event log then goes on in its reserve, whose end is zeros and no other events."""
    data_dir, _, digest = grown
    (path,) = (data_dir / EVENTS_FOLDER).glob("*.events")
    os.truncate(path, path.stat().st_size + (1 << 20))
    _lose_snapshots(data_dir)
    assert make_snapshot(data_dir, 256).state_hash == digest


def test_other_events_than_the_recorded_ones_name_the_command(
    grown: tuple[Path, bytes, str],
) -> None:
    """A core that did something else than its journal says is found out, and at which command."""
    data_dir, _, _ = grown
    _change_event(data_dir, 231)
    with pytest.raises(ReplayDivergedError, match=r"command 231 is the first"):
        make_snapshot(data_dir, 256)
    assert _snapshots(data_dir) == [206, 106, 6]


async def test_snapshots_are_made_while_the_core_runs(tmp_path: Path) -> None:
    """By a process of its own, after enough commands; the core goes on meanwhile."""
    policy = SnapshotPolicy(commands=50, check_seconds=0.01)
    async with (
        running_core(tmp_path, make_engine=Engine, snapshots=policy),
        connected(tmp_path) as client,
    ):
        await client.submit(set_up_commands())
        await client.submit(_orders(1, 60))
        await asyncio.to_thread(wait_until, lambda: _snapshots(tmp_path) == [66])
        await client.submit(_orders(61, 120))
        await asyncio.to_thread(wait_until, lambda: _snapshots(tmp_path) == [126, 66])
        await client.submit(_orders(121, 130))
        digest = (await client.state_hash())[1]
    assert _snapshots(tmp_path) == [136, 126, 66], "and one at the clean stop"
    marks = _marks(tmp_path)
    assert {66, 136} <= set(marks), "the state is noted in the journal"
    assert marks[136] == digest
    assert read_header(list_snapshots(tmp_path / SNAPSHOTS_FOLDER)[0]).state_hash == digest


async def test_a_core_that_diverges_from_its_journal_stops(tmp_path: Path) -> None:
    """What it has told its clients is not what its journal says: it must not go on."""
    policy = SnapshotPolicy(commands=50, check_seconds=0.01)
    core = Core(tmp_path, Engine, LIMITS, snapshots=policy)
    await core.start()
    async with connected(tmp_path) as client:
        await client.submit(set_up_commands())
        _change_event(tmp_path, 3)
        await client.submit(_orders(1, 60))
        with pytest.raises(ReplayDivergedError, match=r"command 3 is the first"):
            await core.failed
    await core.stop()
    assert not _snapshots(tmp_path)


async def test_old_segments_are_put_away_and_a_start_that_needs_them_says_so(
    tmp_path: Path,
) -> None:
    """With the kept snapshots nothing is missing; without the event log it is, until it is back."""
    sizes = Sizes(journal_segment_bytes=16 << 10, event_segment_bytes=8 << 10)
    journal, events = tmp_path / JOURNAL_FOLDER, tmp_path / EVENTS_FOLDER

    async def run(first: int, consumed: int) -> str:
        batches = [_orders(first, first + 49), _orders(first + 50, first + 99)]
        policy = NEVER._replace(consumed=lambda: consumed)
        async with (
            running_core(tmp_path, make_engine=Engine, snapshots=policy, sizes=sizes) as core,
            connected(tmp_path) as client,
        ):
            for batch in batches if first else [set_up_commands()]:
                await client.submit(batch)
            assert core._snapshots
            assert core._snapshots._archivist
            await core._snapshots._archivist.put_away()
            return (await client.state_hash())[1]

    def archived(folder: Path) -> list[int]:
        return [int(path.stem) for path in sorted((folder / ARCHIVE_FOLDER).glob("*"))]

    for first in (0, 1, 101):
        await run(first, 1_000)
        assert not archived(journal), "too few snapshots to fall back on"
    await run(201, 1_000)
    assert _snapshots(tmp_path) == [306, 206, 106]
    await run(301, 60)
    before = archived(journal), archived(events)
    assert before[0]
    assert max(before[0] + before[1]) < 60, "what a consumer has not got stays"
    assert _snapshots(tmp_path) == [406, 306, 206]
    digest = await run(401, 1_000)
    assert 60 < max(archived(journal)) < 206
    assert 60 < max(archived(events)) < 206
    async with running_core(tmp_path, make_engine=Engine) as core, connected(tmp_path) as client:
        assert (await client.state_hash())[1] == digest
        assert 60 < core.first_sequence <= 206
        await client.subscribe(core.first_sequence - 1)
        with capture_logs() as logs, pytest.raises(CoreUnavailable):
            await client.state_hash()
        assert "are archived" in str(logs)
    for path in events.glob("*.events"):
        path.unlink()
    with pytest.raises(JournalDamagedError, match=r"move the segments in archive/ back"):
        Core(tmp_path, Engine, LIMITS)
    for path in (journal / ARCHIVE_FOLDER).glob("*.journal"):
        path.rename(journal / path.name)
    assert (await _history(tmp_path))[1] == digest
