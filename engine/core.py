"""The core: the single writer that numbers commands, makes them durable and lets events go.

Commands of all gateways are gathered into one batch, stamped, and given to the journal's thread
and to the engine at once. While one batch is being synced, the next may be written and matched,
and a third forms from what arrives: so a lone command never waits for company, and the busier the
core, the larger the groups that share a sync. A few commands that are alone are synced without the
thread: to wake it, and to be woken by it, would take as long as the disk. Events, and answers to
queries, leave only once their commands are on disk.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import structlog

from engine import queries
from engine.codes import OrderFlag
from engine.due import DueTimes
from engine.event_log import EVENTS_FOLDER, EventLog
from engine.group_commit import GroupCommit
from engine.journal import JOURNAL_FOLDER, Journal
from engine.link import (
    HEADER,
    SOCKET_NAME,
    FrameKind,
    LinkError,
    QueryKind,
    frame,
    listening_socket,
)
from engine.link_table import LinkTable, cancel_of_gateway
from engine.pending import MAX_BATCH_COMMANDS, Part, Pending
from engine.queries import MatchingEngine
from engine.records import EVENT
from engine.replay import recover
from engine.server_link import MAX_UNSENT_BYTES, ServerLink
from engine.snapshot import SNAPSHOTS_FOLDER, SnapshotHeader
from engine.snapshot_keeper import SnapshotKeeper, SnapshotPolicy
from engine.space_watch import SpaceWatch
from engine.state import EngineLimits
from engine.status import Durations, status_row
from engine.storage import DISK, SIZES, Sizes, Storage

# One batch that is being synced and one behind it, so that the disk never waits for the core.
MAX_BATCHES_IN_FLIGHT = 2
# So few commands, when nothing else is on the way, are synced by the loop's own thread.
LONE_COMMANDS = 256
# When more commands than this wait, the core stops reading from its gateways until half are done.
MAX_PENDING_COMMANDS = 16 * MAX_BATCH_COMMANDS
_log = structlog.get_logger("core")


class _InFlight(NamedTuple):
    """A batch that was matched and is not yet known to be durable; its events, ready to leave."""

    last_sequence: int
    events: np.ndarray  # in the frame: the engine's own are soon overwritten
    whole_frame: bytes  # what subscribers are sent
    taken_ns: int
    answers: list[tuple[ServerLink, int, bytes]]


class Core:
    """One engine, its journal, its event log and its gateways, in the folder `data_dir`."""

    def __init__(
        self,
        data_dir: Path,
        make_engine: Callable[[EngineLimits], MatchingEngine],
        limits: EngineLimits,
        *,
        clock: Callable[[], int] = time.time_ns,
        storage: Storage = DISK,
        sizes: Sizes = SIZES,
        make_commit: Callable[..., GroupCommit] = GroupCommit,
        max_unsent_bytes: int = MAX_UNSENT_BYTES,
        snapshots: SnapshotPolicy | None = None,
        read_ahead: bool = True,
    ) -> None:
        """Open the journal and replay it. Raises JournalError, ReplayDivergedError."""
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._data_dir = data_dir
        self._clock = clock
        self._max_unsent_bytes = max_unsent_bytes
        reserve_bytes = sizes.reserve_bytes
        self._journal = Journal(
            data_dir / JOURNAL_FOLDER,
            limits,
            sizes.journal_segment_bytes,
            storage=storage,
            reserve_bytes=reserve_bytes,
        )
        self._event_log = EventLog(
            data_dir / EVENTS_FOLDER,
            sizes.event_segment_bytes,
            storage=storage,
            reserve_bytes=reserve_bytes,
        )
        try:
            self._engine = recover(
                self._journal,
                make_engine,
                self._event_log,
                data_dir / SNAPSHOTS_FOLDER,
                storage,
                read_ahead=read_ahead,
            )
        except BaseException:
            self._journal.close()
            self._event_log.close()
            raise
        self._next_sequence = self._journal.last_sequence + 1
        self._time_ns = self._journal.last_time_ns
        self._pending = Pending()
        self._in_flight: deque[_InFlight] = deque()
        self._matching, self._releasing = Durations(), Durations()
        self._idle = asyncio.Event()
        self._idle.set()
        self._step_is_due = False
        self._is_paused = False
        self._is_stopping = False
        self._links = LinkTable()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.get_running_loop()
        self._due = DueTimes(self._engine, clock, self._take_due)
        self._space = SpaceWatch(self._journal.has_room, self._event_log.has_room, self._links)
        self._commit = make_commit(self._journal, self._synced_in_thread, self._failed_in_thread)
        self._due_mark: SnapshotHeader | None = None
        self._snapshots: SnapshotKeeper | None = None
        if snapshots and self._engine.memory():
            logs = (self._journal, self._event_log)
            self._snapshots = SnapshotKeeper(
                data_dir, snapshots, *logs, self._note_state, self._fail, storage
            )

    # --- Life ---

    async def start(self) -> None:
        """Take up what the last run left, and listen."""
        await self.take_up()
        listener = listening_socket(self._data_dir / SOCKET_NAME)
        self._server = await self._loop.create_unix_server(
            lambda: ServerLink(self, self._max_unsent_bytes), sock=listener
        )
        if self._snapshots:
            self._snapshots.start()
        _log.info("core: ready", sequence=self.released_sequence, data_dir=str(self._data_dir))

    async def take_up(self) -> None:
        """Do what fell due while there was no core."""
        self._space.look()
        self._cancel_orphans()
        self._due.look()
        await self._idle.wait()

    async def stop(self) -> None:
        """Finish what has arrived, say goodbye, close. After a failure, only close."""
        self._is_stopping = True
        self._due.stop()
        if self._snapshots:
            await self._snapshots.stop()
        self._space.stop()
        if self._server:
            self._server.close()
            (self._data_dir / SOCKET_NAME).unlink(missing_ok=True)
        if not self.failed.done():
            self._links.pause_reading()
            await self._idle.wait()
            await self._links.close()
        self._links.abort()
        self._commit.stop()
        if self._snapshots and not self.failed.done():
            self._snapshots.write_last(self._engine)
        self._journal.close()
        self._event_log.close()
        _log.info("core: stopped", sequence=self.released_sequence)

    def _note_state(self, header: SnapshotHeader) -> None:
        """A snapshot was made: its state hash goes into the journal, once no batch is on its way
        there."""
        self._due_mark = header
        if not self._in_flight:
            self._release(self.released_sequence)

    def _write_mark(self) -> None:
        mark, self._due_mark = self._due_mark, None
        if mark:
            self._journal.mark(mark.sequence, mark.state_hash)

    def _cancel_orphans(self) -> None:
        """No connection outlives the core, so orders that go with theirs go at the next start."""
        flags = self._engine.export().orders["flags"]
        if (flags & OrderFlag.CANCEL_ON_DISCONNECT).any():
            self._take_own(cancel_of_gateway(0))

    def _take_due(self) -> bool:
        """Take up what is due by now; whether there was anything."""
        parts = self._due.parts(max(self._time_ns, self._clock()))
        for part in parts:
            self._pend(part)
        return bool(parts)

    # --- What links ask (engine.server_link.LinkOwner) ---

    @property
    def released_sequence(self) -> int:
        return self._event_log.last_sequence

    @property
    def first_sequence(self) -> int:
        return self._event_log.first_sequence

    @property
    def has_room(self) -> bool:
        return self._space.has_room

    def open_link(self, link: ServerLink) -> int:
        if self._is_stopping:
            raise LinkError("no more gateways are taken")
        number = self._links.add(link)
        _log.info("core: gateway connected", gateway=number, name=link.name)
        return number

    def close_link(self, link: ServerLink) -> None:
        self._links.remove(link)
        _log.info("core: gateway gone", gateway=link.number, name=link.name)
        if link.has_sent_commands and not self._is_stopping:
            self._take_own(cancel_of_gateway(link.number))

    def take_commands(self, link: ServerLink, payload: bytes) -> None:
        self._pend(Part(link.number, payload))

    def take_query(self, link: ServerLink, tag: int, payload: bytes) -> None:
        kind, argument = queries.question(payload)
        if kind is QueryKind.STATUS:
            link.send_answer(tag, queries.status_answer(self._status()))
            return
        answer = queries.answer(self._engine, kind, argument)
        if self._in_flight:
            self._in_flight[-1].answers.append((link, tag, answer))
        else:
            link.send_answer(tag, answer)

    def _status(self) -> np.ndarray:
        figures = {
            "released_sequence": self.released_sequence,
            "applied_sequence": self._engine.sequence,
            "snapshot_sequence": self._snapshots.sequence if self._snapshots else 0,
            "snapshots_failed": self._snapshots.failures if self._snapshots else 0,
            "pending_commands": self._pending.commands,
            "batches_in_flight": len(self._in_flight),
            "gateways": len(self._links),
            "has_room": int(self._space.has_room),
        }
        return status_row(
            figures,
            matching=self._matching,
            syncing=self._journal.syncing,
            releasing=self._releasing,
        )

    def read_events(self, first_sequence: int) -> Iterator[np.ndarray]:
        return self._event_log.read(first_sequence)

    # --- From commands to events ---

    def _take_own(self, command: np.ndarray) -> None:
        self._pend(Part(0, command.tobytes()))

    def _pend(self, part: Part) -> None:
        self._idle.clear()
        self._pending.append(part)
        if self._pending.commands > MAX_PENDING_COMMANDS and not self._is_paused:
            self._is_paused = True
            self._links.pause_reading()
        if not self._step_is_due:
            self._step_is_due = True
            # Not at once: other links may have frames in this same turn of the loop.
            self._loop.call_soon(self._step)

    def _step(self) -> None:
        self._step_is_due = False
        if self.failed.done():
            return
        try:
            # A mark that waits for the journal goes in between two batches.
            at_once = 0 if self._due_mark else MAX_BATCHES_IN_FLIGHT
            while self._pending and len(self._in_flight) < at_once:
                batch = self._take_batch()
                is_lone = not (self._in_flight or self._pending) and len(batch) <= LONE_COMMANDS
                if not is_lone:
                    self._commit.put(batch)
                self._in_flight.append(self._match(batch))
                self._due.note()
                if is_lone:
                    self._release(self._journal.append(batch))
            self._space.look()
        except Exception as error:
            self._fail(error)
        if self._is_paused and self._pending.commands <= MAX_PENDING_COMMANDS // 2:
            self._is_paused = False
            if not self._is_stopping:
                self._links.resume_reading()

    def _take_batch(self) -> np.ndarray:
        """The oldest commands, stamped.

        Ahead of them what is due: no command of that time may still meet an order that expired.
        """
        self._time_ns = max(self._time_ns, self._clock())
        for part in reversed(self._due.parts(self._time_ns)):
            self._pending.append_first(part)
        batch = self._pending.take(self._next_sequence, self._time_ns)
        self._next_sequence += len(batch)
        return batch

    def _match(self, batch: np.ndarray) -> _InFlight:
        """Run the engine, and make ready what leaves when the batch is synced."""
        taken_ns = time.perf_counter_ns()
        events = self._engine.apply(batch)
        self._matching.note(time.perf_counter_ns() - taken_ns)
        last_sequence = int(batch[-1]["sequence"])
        whole_frame = frame(FrameKind.EVENTS, last_sequence, events.data)
        events = np.frombuffer(whole_frame, EVENT, offset=HEADER.size)
        return _InFlight(last_sequence, events, whole_frame, taken_ns, [])

    def _synced_in_thread(self, sequence: int) -> None:
        self._loop.call_soon_threadsafe(self._release, sequence)

    def _failed_in_thread(self, error: BaseException) -> None:
        self._loop.call_soon_threadsafe(self._fail, error)

    def _release(self, durable_sequence: int) -> None:
        """Let go the events of all batches up to `durable_sequence`, then what waited for them."""
        try:
            while self._in_flight and self._in_flight[0].last_sequence <= durable_sequence:
                batch = self._in_flight.popleft()
                for link in self._links:
                    link.release(batch.events, batch.whole_frame)
                for link, tag, answer in batch.answers:
                    link.send_answer(tag, answer)
                self._event_log.append(batch.events)
                self._releasing.note(time.perf_counter_ns() - batch.taken_ns)
            if not self._in_flight:
                self._write_mark()
        except Exception as error:
            self._fail(error)
        if self._pending:
            self._step()
        elif not self._in_flight:
            self._idle.set()

    def _fail(self, error: BaseException) -> None:
        """Nothing that is on the way may leave any more: whoever runs the core must end it."""
        if not self.failed.done():
            _log.critical("core: failed", why=str(error), exc_info=error)
            self.failed.set_exception(error)
