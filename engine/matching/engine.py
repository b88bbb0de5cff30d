"""The compiled engine: a thin shell that owns the arrays and hands batches to the kernel."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np

from engine.compiled import direct_call
from engine.matching.account_export import export_account
from engine.matching.arrays import (
    EngineArrays,
    allocate_engine,
    command_views,
    event_bound,
    event_views,
    state_arrays,
    with_state_arrays,
)
from engine.matching.batch import apply_batch
from engine.matching.descriptors import describe, descriptor_words
from engine.orderbook.arrays import aligned_zeros, commit, power_of_two
from engine.orderbook.client_ids import SEEDS, ClientIdGrowth, move_client_ids
from engine.orderbook.export import open_orders
from engine.records import COMMAND, EVENT, RAW
from engine.state import EngineLimits, EngineState
from engine.units import NEVER_NS

# What a busy day touches: warm_up has this much memory committed.
WARM_CLIENT_IDS = 1 << 20
WARM_ORDERS = 1 << 17
WARM_ACCOUNTS = 1 << 14
_ROOM_COMMANDS = 1 << 12


class SequenceError(Exception):
    """Commands came out of order: the engine has applied those before the gap and no other."""


class Engine:
    """The state machine: commands in, events out. docs/protocol.md says which.

    Not safe for use by several threads at once. `apply` releases the interpreter's lock while it
    runs.
    """

    def __init__(self, limits: EngineLimits | None = None) -> None:
        # Where client ids lie in their table is nobody's business: see orderbook/client_ids.py.
        seeds = np.frombuffer(secrets.token_bytes(8 * SEEDS), np.int64).copy()
        self._client_id_growth = ClientIdGrowth()
        self._room_commands = -1  # so many more are sure to find room
        self._descriptors = np.zeros(descriptor_words(), np.int64)
        self._use(allocate_engine(limits or EngineLimits(), seeds))
        self._commands = np.zeros(0, RAW)
        self._events = np.zeros(0, EVENT)
        self._apply_batch = apply_batch

    def warm_up(self) -> None:
        """Compile, or load from disk, all that `apply` needs, and have the memory of a busy day.

        Without it the first call compiles, each call takes some microseconds longer, and the first
        touch of every page falls into somebody's order.
        """
        self._apply_batch = direct_call(apply_batch, self._address, 0)
        self.export_account(0)
        client_ids = self._arrays.client_ids
        if len(client_ids.entries) < 2 * WARM_CLIENT_IDS:
            client_ids = self._client_id_growth.room_for(client_ids, 0, WARM_CLIENT_IDS)
        move_client_ids(client_ids, len(client_ids.old_records))
        self._use(self._arrays._replace(client_ids=client_ids))
        self._commit_busy_day()

    def _commit_busy_day(self) -> None:
        book, balances = self._arrays.book, self._arrays.balances
        commit(self._arrays.client_ids.entries)
        commit(self._arrays.client_ids.records)
        for pool in (book.orders, book.details, book.account_links, book.free_slots):
            commit(pool[:WARM_ORDERS])
        for rows in (balances.accounts, balances.positions):
            commit(rows[:WARM_ACCOUNTS])

    @property
    def sequence(self) -> int:
        """Number of the last command applied; 0 before the first."""
        return int(self._arrays.progress[0]["sequence"])

    @property
    def next_expiry_ns(self) -> int:
        """When the next order expires; NEVER_NS if none does."""
        book = self._arrays.book
        first = book.expiry_heap[1]
        return int(book.expiries[first]["expires_at_ns"]) if first else NEVER_NS

    @property
    def next_interruption_end_ns(self) -> int:
        """No volatility interruption ends before this time; NEVER_NS if none does at all."""
        return int(self._arrays.progress[0]["next_interruption_end_ns"])

    @property
    def arrays(self) -> EngineArrays:
        """The live state, to be looked at: by invariants, depth views and tests."""
        return self._arrays

    def memory(self) -> dict[str, np.ndarray]:
        """The arrays that are the whole state, by name; they are the live ones."""
        return state_arrays(self._arrays)

    def restore(self, memory: dict[str, np.ndarray]) -> None:
        """Go on from a state whose arrays `memory` once gave. They become this engine's own."""
        self._room_commands = -1
        self._use(with_state_arrays(self._arrays, memory))
        self._commit_busy_day()

    def apply(self, commands: np.ndarray) -> np.ndarray:
        """Apply commands (COMMAND, stamped) in order and give their events (EVENT).

        The events are a view that is good until the next call. Raises SequenceError if the first
        command does not follow on the last one applied, or a later one on the one before it.
        """
        count = len(commands)
        address = self.lend(count)
        self._commands[:count] = commands.view(RAW)
        events = self._apply_batch(address, count)
        if events < 0:
            raise SequenceError(f"command {self.sequence + 1} was to be next")
        assert events < len(self._events), "the bound on events is wrong"
        return self._events[:events]

    def lend(self, count: int) -> Any:
        """What compiled code is to call `apply_batch` with for up to `count` more commands.

        It writes them, in batches, into `arrays.commands` and finds the events in `arrays.events`.
        """
        if count > self._room_commands:
            self._make_room(count)
        self._room_commands -= count
        return self._address

    def _make_room(self, count: int) -> None:
        """Let the buffers and the client-id table hold whatever `count` commands may bring.

        And some thousands more, in further batches, so that few batches have to ask.
        """
        arrays = self._arrays
        to_come = max(count, _ROOM_COMMANDS)
        client_ids = self._client_id_growth.room_for(
            arrays.client_ids, int(arrays.counters[0]["client_ids"]), to_come
        )
        if client_ids is not arrays.client_ids:
            arrays = arrays._replace(client_ids=client_ids)
        if to_come > len(self._commands):
            buffer = aligned_zeros(power_of_two(to_come), COMMAND)
            self._commands = buffer.view(RAW)
            arrays = arrays._replace(commands=command_views(buffer))
        # What the batches on the way open, a later one among them may close.
        bound = event_bound(to_come, arrays.book.pool[0], int(arrays.progress[0]["instruments"]))
        if bound > len(self._events):
            self._events = aligned_zeros(power_of_two(bound), EVENT)
            arrays = arrays._replace(events=event_views(self._events))
        self._room_commands = to_come
        if arrays is not self._arrays:
            self._use(arrays)

    def _use(self, arrays: EngineArrays) -> None:
        """Go on with these arrays, and let compiled code know of them."""
        self._arrays = arrays
        self._address = describe(arrays, self._descriptors)

    def export(self) -> EngineState:
        """A copy of the state in its canonical form."""
        arrays = self._arrays
        balances, pool, progress = arrays.balances, arrays.book.pool[0], arrays.progress[0]
        used = balances.used[0]
        return EngineState(
            sequence=int(progress["sequence"]),
            time_ns=int(progress["time_ns"]),
            slots_used=int(pool["slots_used"]),
            counters=arrays.counters.copy(),
            instruments=arrays.instruments[: progress["instruments"] + 1].copy(),
            accounts=balances.accounts[: used["accounts"] + 1].copy(),
            positions=balances.positions[1 : used["positions"] + 1].copy(),
            allowances=balances.allowances[1 : used["allowances"] + 1].copy(),
            orders=open_orders(arrays.book, int(progress["instruments"])),
            free_slots=arrays.book.free_slots[: pool["free_slots"]].copy(),
        )

    def export_account(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One account's part of `export`: see account_export.py."""
        instruments = int(self._arrays.progress[0]["instruments"])
        return export_account(self._arrays.balances, number, instruments)
