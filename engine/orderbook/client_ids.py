"""What became of each client id: an open-addressing table that never forgets.

Clients often count their ids upwards, so sixteen neighbouring ids share one block of neighbouring
entries (in shuffled order), and a collision moves on to the same place of the next block. Where a
block lies depends on secret seeds: no client can choose ids that collide. The seeds decide where an
entry lies and nothing else, so they change no event and no state hash.

The table grows without a pause: a larger one, got ready by a thread, takes its place at once, and
with every command a few entries are moved over. Until all have been, an id that the larger table
lacks is looked for in the old one too, which is read only and stays as it was.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np

from engine.compiled import entry_point, inlined, int64, kernel
from engine.orderbook.arrays import aligned_zeros, commit, power_of_two
from engine.orderbook.bits import mix

ENTRY = np.dtype(
    [
        ("client_id_high", "<i8"),
        ("client_id_low", "<i8"),
        ("value", "<i8"),  # an order id; less than 0: minus a sequence; 0: the entry is free
        ("account", "<i4"),
        ("reserved", "<i4"),
    ],
    align=True,
)
assert ENTRY.itemsize == 32

FIRST_CAPACITY = 65_536
_BLOCK_SHIFT = 4
BLOCK_ENTRIES = 1 << _BLOCK_SHIFT
_ACCOUNT_SHIFT = 40
# A block lies at a fraction of the table, so a copy into a larger one goes through both in order.
_FRACTION_BITS = 32
_FRACTION_MASK = (1 << _FRACTION_BITS) - 1
# Entries of the old table that are looked at for each command. Half of them are in use, so with two
# the larger table would be half full, and have to grow again, just when the last is moved.
MOVED_PER_COMMAND = 8


class ClientIdArrays(NamedTuple):
    """The table; about half of its entries are in use, and never more than three quarters."""

    entries: np.ndarray  # ENTRY, a power of two of them
    old_entries: np.ndarray  # ENTRY: the table that this one grew out of; empty once all are moved
    moved: np.ndarray  # one int64: how many rows of the old one have been moved
    seeds: np.ndarray  # two int64


def allocate_client_ids(seeds: np.ndarray, capacity: int = FIRST_CAPACITY) -> ClientIdArrays:
    """An empty table."""
    return ClientIdArrays(
        entries=aligned_zeros(capacity, ENTRY),
        old_entries=aligned_zeros(0, ENTRY),
        moved=aligned_zeros(1, np.int64),
        seeds=seeds,
    )


@inlined
def first_row(entries: np.ndarray, seeds: np.ndarray, account: int, high: int, low: int) -> Any:
    """Where the search for an id begins."""
    block_hash = mix(high ^ seeds[0] ^ (account << _ACCOUNT_SHIFT))
    block_hash = mix(block_hash ^ seeds[1] ^ (low >> _BLOCK_SHIFT))
    place = (low ^ (block_hash >> 56)) & (BLOCK_ENTRIES - 1)
    block = ((block_hash & _FRACTION_MASK) * (len(entries) >> _BLOCK_SHIFT)) >> _FRACTION_BITS
    return (block << _BLOCK_SHIFT) + place


@inlined
def next_row(entries: np.ndarray, row: int) -> Any:
    """Where the search goes on if another id is there.

    The step and the length it wraps at have no common divisor, so every entry but the last (where
    a walk may begin, but never comes by) is visited in the end.
    """
    last = len(entries) - 1
    following = row + BLOCK_ENTRIES
    return following - last * int64(following >= last)


@inlined
def find_client_id(table: ClientIdArrays, first: int, account: int, high: int, low: int) -> Any:
    """The row where the id is, or where it belongs, and what it stands for (0: nothing yet).

    `first` is the `first_row` of the table's entries.
    """
    row = find_from(table.entries, first, account, high, low)
    value = int64(table.entries[row]["value"])
    if value == 0 and len(table.old_entries) != 0:
        value = _find_old(table, account, high, low)
    return int64(row), value


@kernel
def _find_old(table: ClientIdArrays, account: int, high: int, low: int) -> Any:
    """What the id stands for in the old table."""
    first = first_row(table.old_entries, table.seeds, account, high, low)
    row = find_from(table.old_entries, first, account, high, low)
    return int64(table.old_entries[row]["value"])


@inlined
def find_from(entries: np.ndarray, row: int, account: int, high: int, low: int) -> Any:
    """The row of the id's entry, or of the free entry where it belongs."""
    while True:
        entry = entries[row]
        if entry["value"] == 0 or (
            entry["client_id_low"] == low
            and entry["client_id_high"] == high
            and entry["account"] == account
        ):
            return row
        row = next_row(entries, row)


@inlined
def write_client_id(
    table: ClientIdArrays, row: int, account: int, high: int, low: int, value: int
) -> None:
    """Register an id in the free entry that `find_client_id` gave."""
    entry = table.entries[row]
    entry["client_id_high"] = high
    entry["client_id_low"] = low
    entry["account"] = account
    entry["value"] = value


@entry_point
def move_client_ids(table: ClientIdArrays, rows: int) -> None:
    """Enter what the next `rows` of the old table hold; both tables are gone through in order."""
    old_entries = table.old_entries
    begin = table.moved[0]
    end = min(begin + rows, len(old_entries))
    for old_row in range(begin, end):
        entry = old_entries[old_row]
        if entry["value"] != 0:
            account = int64(entry["account"])
            high, low = entry["client_id_high"], entry["client_id_low"]
            first = first_row(table.entries, table.seeds, account, high, low)
            row = find_from(table.entries, first, account, high, low)
            write_client_id(table, row, account, high, low, entry["value"])
    table.moved[0] = end


class ClientIdGrowth:
    """Has the next table ready before it is needed.

    The first touch of a page stops whoever touches it, for milliseconds where pages are large, and
    new ids fall on all pages of a table. So a thread of its own has the memory committed while the
    present table fills from one half, and nobody waits for it unless three quarters are reached.
    """

    def __init__(self) -> None:
        self._entries = aligned_zeros(0, ENTRY)
        self._thread: threading.Thread | None = None

    def room_for(self, table: ClientIdArrays, used: int, to_come: int) -> ClientIdArrays:
        """The table itself, or what takes its place, with room for `to_come` more ids.

        A larger one begins empty, with all that was there still to be moved; an old one that has
        been moved entirely is let go.
        """
        capacity = len(table.entries)
        if 2 * (used + to_come) > capacity:
            self._prepare(max(2 * capacity, power_of_two(2 * (used + to_come))))
            is_full = 4 * (used + to_come) > 3 * capacity
            if is_full or not self.is_preparing:
                return self._larger(table)
        if len(table.old_entries) != 0 and table.moved[0] == len(table.old_entries):
            return table._replace(old_entries=aligned_zeros(0, ENTRY))
        return table

    @property
    def is_preparing(self) -> bool:
        """Whether the thread is still at work."""
        return self._thread is not None and self._thread.is_alive()

    def _prepare(self, capacity: int) -> None:
        """Begin to have a table of this size ready, unless there is one as large."""
        if len(self._entries) < capacity:
            self._entries = aligned_zeros(capacity, ENTRY)
            self._thread = threading.Thread(
                target=commit, args=(self._entries,), name="client ids", daemon=True
            )
            self._thread.start()

    def _larger(self, table: ClientIdArrays) -> ClientIdArrays:
        """The next table in the place of the present one."""
        assert self._thread is not None
        self._thread.join()
        # Only a batch larger than the table can come before the last move is done.
        move_client_ids(table, len(table.old_entries))
        larger = allocate_client_ids(table.seeds, 0)
        larger = larger._replace(entries=self._entries, old_entries=table.entries)
        self._entries = aligned_zeros(0, ENTRY)
        return larger
