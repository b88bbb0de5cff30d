"""What became of each client id: an open-addressing table that never forgets.

Clients often count their ids upwards, so sixteen neighbouring ids share one block of neighbouring
entries (in shuffled order), and a collision moves on to the same place of the next block. Where a
block lies depends on secret seeds: no client can choose ids that collide. The seeds decide where an
entry lies and nothing else, so they change no event and no state hash.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from engine.compiled import entry_point, inlined, int64
from engine.orderbook.arrays import aligned_zeros
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


class ClientIdArrays(NamedTuple):
    """The table; at most half of its entries are in use."""

    entries: np.ndarray  # ENTRY, a power of two of them
    seeds: np.ndarray  # two int64


def allocate_client_ids(seeds: np.ndarray, capacity: int = FIRST_CAPACITY) -> ClientIdArrays:
    """An empty table."""
    return ClientIdArrays(entries=aligned_zeros(capacity, ENTRY), seeds=seeds)


@inlined
def first_row(table: ClientIdArrays, account: int, high: int, low: int) -> Any:
    """Where the search for an id begins."""
    entries = table.entries
    block_hash = mix(high ^ table.seeds[0] ^ (account << _ACCOUNT_SHIFT))
    block_hash = mix(block_hash ^ table.seeds[1] ^ (low >> _BLOCK_SHIFT))
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
def find_client_id(table: ClientIdArrays, account: int, high: int, low: int) -> Any:
    """The row of the id's entry, or of the free entry where it belongs."""
    return find_from(table, first_row(table, account, high, low), account, high, low)


@inlined
def find_from(table: ClientIdArrays, row: int, account: int, high: int, low: int) -> Any:
    """`find_client_id`, where `first_row` is known already."""
    entries = table.entries
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
def copy_client_ids(old: ClientIdArrays, new: ClientIdArrays) -> None:
    """Enter everything that `old` holds into `new`, which is empty and larger."""
    for old_row in range(len(old.entries)):
        entry = old.entries[old_row]
        if entry["value"] != 0:
            account = int64(entry["account"])
            high, low = entry["client_id_high"], entry["client_id_low"]
            row = find_client_id(new, account, high, low)
            write_client_id(new, row, account, high, low, entry["value"])


def grown_client_ids(table: ClientIdArrays, used: int, to_come: int) -> ClientIdArrays:
    """The table itself, or a larger copy if `to_come` more ids could fill it beyond one half."""
    capacity = len(table.entries)
    if 2 * (used + to_come) <= capacity:
        return table
    while capacity < 2 * (used + to_come):
        capacity *= 2
    grown = allocate_client_ids(table.seeds, capacity)
    copy_client_ids(table, grown)
    return grown
