"""What became of each client id: an open-addressing table that never forgets.

What is known of an id is a record, and records stand in the order in which ids came, so a new one
is written next to the last. The table leads to them: a cache line has eight entries, each the
number of a record and a mark, some bits of its id's hash. Only where the mark agrees is the record
looked at, which tells whether it is the id's; so a search reads one line of a small table, and of
the records hardly more than the one it is after.

Clients often count their ids upwards, so four neighbouring ids share one line. A line that is full
leads on to the next. Which line an id begins at depends on secret seeds: no client can choose ids
that collide. The seeds decide where an entry lies and nothing else, so they change no event and no
state hash.

The table grows without a pause: a larger one, got ready by a thread, takes its place at once, and
with every command a few records are moved over. Until all have been, an id that the larger table
lacks is looked for in the old one too, which is read only and stays as it was.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np

from engine.compiled import entry_point, inlined, int64, kernel
from engine.orderbook.arrays import aligned_zeros, commit, power_of_two
from engine.orderbook.bits import equal_words, fold, trailing_zeros

RECORD = np.dtype(
    [
        ("client_id_high", "<i8"),
        ("client_id_low", "<i8"),
        ("value", "<i8"),  # an order id; less than 0: minus a sequence
        ("account", "<i4"),
        ("reserved", "<i4"),
    ],
    align=True,
)
assert RECORD.itemsize == 32

FIRST_CAPACITY = 65_536
_LINE_SHIFT = 3
LINE_ENTRIES = 1 << _LINE_SHIFT
_NEIGHBOURS_SHIFT = 2
SEEDS = 3
# A place is where a search is: the number of a line, and below it the mark that is looked for. An
# entry is made in the same way, of the number of a record.
MARK_BITS = 24
_MARK_MASK = (1 << MARK_BITS) - 1
_WHOLE_WORD = -1
# Rows of the old records that are gone through for each command. There are three quarters as many
# as its table has entries, and it may take a quarter as many new ids until the larger one is half
# full, and has to grow again: with three for each of them the last would be moved just then.
MOVED_PER_COMMAND = 4


class ClientIdArrays(NamedTuple):
    """The table; about half of its entries are in use, and never more than three quarters."""

    entries: np.ndarray  # int64, a power of two of them; 0: free
    records: np.ndarray  # RECORD, by number, from 1; so many as entries may be in use
    # The table that this one grew out of; empty once all are moved.
    old_entries: np.ndarray
    old_records: np.ndarray
    moved: np.ndarray  # one int64: how many rows of the old records have been moved
    seeds: np.ndarray  # SEEDS int64


def allocate_client_ids(seeds: np.ndarray, capacity: int = FIRST_CAPACITY) -> ClientIdArrays:
    """An empty table."""
    entries, records = _allocate(capacity)
    old_entries, old_records = _allocate(0)
    moved = aligned_zeros(1, np.int64)
    return ClientIdArrays(entries, records, old_entries, old_records, moved, seeds)


def _allocate(capacity: int) -> tuple[np.ndarray, np.ndarray]:
    """Entries, and room for the records of three quarters of them."""
    records = 3 * capacity // 4 + 1 if capacity else 0
    return aligned_zeros(capacity, np.int64), aligned_zeros(records, RECORD)


@inlined
def first_place(entries: np.ndarray, seeds: np.ndarray, account: int, high: int, low: int) -> Any:
    """Where the search for an id begins, and the mark that it looks for."""
    hashed = fold(high ^ seeds[0], (low >> _NEIGHBOURS_SHIFT) ^ seeds[1])
    hashed = fold(hashed ^ account, seeds[2] | 1)
    mark = ((hashed >> (64 - MARK_BITS)) ^ low) & _MARK_MASK
    line = hashed & ((len(entries) >> _LINE_SHIFT) - 1)
    return (line << MARK_BITS) | mark


@inlined
def first_entry(place: int) -> Any:
    """The first entry of the line."""
    return (place >> MARK_BITS) << _LINE_SHIFT


@inlined
def _matches(entries: np.ndarray, place: int) -> Any:
    """Which entries of the line have the mark: bit n for its entry n."""
    return equal_words(entries, first_entry(place), _MARK_MASK, place & _MARK_MASK)


@inlined
def _free_entries(entries: np.ndarray, place: int) -> Any:
    """Which entries of the line are free: bit n for its entry n."""
    return equal_words(entries, first_entry(place), _WHOLE_WORD, 0)


@inlined
def next_place(entries: np.ndarray, place: int) -> Any:
    """Where the search goes on if the line is full of other ids."""
    return (place + (1 << MARK_BITS)) & ((len(entries) << (MARK_BITS - _LINE_SHIFT)) - 1)


@inlined
def look_at_line(entries: np.ndarray, place: int) -> Any:
    """The number of a record in the line that has the mark (0: none), and whether to go on."""
    matches = _matches(entries, place)
    # A bit that is always set, for there is no lowest one of nothing.
    entry = trailing_zeros(matches | LINE_ENTRIES) & (LINE_ENTRIES - 1)
    number = (entries[first_entry(place) + entry] >> MARK_BITS) * int64(matches != 0)
    return number, matches | _free_entries(entries, place) == 0


@inlined
def find_client_id(table: ClientIdArrays, place: int, account: int, high: int, low: int) -> Any:
    """The entry of the id, or the free one where it belongs, and what it stands for (0: nothing).

    `place` is the `first_place` of the table's entries, or a `next_place` behind it.
    """
    entry, value = _find(table.entries, table.records, place, account, high, low)
    if value == 0 and len(table.old_entries) != 0:
        value = _find_old(table, account, high, low)
    return entry, value


@kernel
def _find_old(table: ClientIdArrays, account: int, high: int, low: int) -> Any:
    """What the id stands for in the old table."""
    place = first_place(table.old_entries, table.seeds, account, high, low)
    _, value = _find(table.old_entries, table.old_records, place, account, high, low)
    return value


@inlined
def _find(
    entries: np.ndarray, records: np.ndarray, place: int, account: int, high: int, low: int
) -> Any:
    while True:
        matches = _matches(entries, place)
        while matches != 0:
            entry = first_entry(place) + trailing_zeros(matches)
            record = records[entries[entry] >> MARK_BITS]
            if (
                record["client_id_low"] == low
                and record["client_id_high"] == high
                and record["account"] == account
            ):
                return int64(entry), int64(record["value"])
            matches &= matches - 1
        free_entries = _free_entries(entries, place)
        if free_entries != 0:
            return int64(first_entry(place) + trailing_zeros(free_entries)), int64(0)
        place = next_place(entries, place)


@inlined
def write_client_id(
    table: ClientIdArrays,
    entry: int,
    place: int,
    number: int,
    account: int,
    high: int,
    low: int,
    value: int,
) -> None:
    """Register an id, the `number`th, in the free entry that `find_client_id` gave."""
    table.entries[entry] = (number << MARK_BITS) | (place & _MARK_MASK)
    record = table.records[number]
    record["client_id_high"] = high
    record["client_id_low"] = low
    record["value"] = value
    record["account"] = account


@entry_point
def move_client_ids(table: ClientIdArrays, rows: int) -> None:
    """Enter what the next `rows` of the old records hold."""
    begin = table.moved[0]
    end = min(begin + rows, len(table.old_records))
    for number in range(begin, end):
        record = table.old_records[number]
        if record["value"] != 0:
            account, value = int64(record["account"]), int64(record["value"])
            high, low = record["client_id_high"], record["client_id_low"]
            place = first_place(table.entries, table.seeds, account, high, low)
            entry, _ = _find(table.entries, table.records, place, account, high, low)
            write_client_id(table, entry, place, number, account, high, low, value)
    table.moved[0] = end


class ClientIdGrowth:
    """Has the next table ready before it is needed.

    The first touch of a page stops whoever touches it, for milliseconds where pages are large, and
    new ids fall on all pages of a table. So a thread of its own has the memory committed while the
    present table fills from one half, and nobody waits for it unless three quarters are reached.
    """

    def __init__(self) -> None:
        self._next = _allocate(0)
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
        if len(table.old_entries) != 0 and table.moved[0] == len(table.old_records):
            old_entries, old_records = _allocate(0)
            return table._replace(old_entries=old_entries, old_records=old_records)
        return table

    @property
    def is_preparing(self) -> bool:
        """Whether the thread is still at work."""
        return self._thread is not None and self._thread.is_alive()

    def _prepare(self, capacity: int) -> None:
        """Begin to have a table of this size ready, unless there is one as large."""
        if len(self._next[0]) < capacity:
            self._next = _allocate(capacity)
            self._thread = threading.Thread(
                target=_commit_all, args=self._next, name="client ids", daemon=True
            )
            self._thread.start()

    def _larger(self, table: ClientIdArrays) -> ClientIdArrays:
        """The next table in the place of the present one."""
        assert self._thread is not None
        self._thread.join()
        # Only a batch larger than the table can come before the last move is done.
        move_client_ids(table, len(table.old_records))
        moved = aligned_zeros(1, np.int64)
        larger = ClientIdArrays(*self._next, table.entries, table.records, moved, table.seeds)
        self._next = _allocate(0)
        return larger


def _commit_all(*arrays: np.ndarray) -> None:
    for array in arrays:
        commit(array)
