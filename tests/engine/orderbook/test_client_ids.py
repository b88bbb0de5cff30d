"""The client-id table finds what was entered and nothing else, however the ids were chosen."""

from collections.abc import Iterable

import numpy as np
import pytest

from engine.orderbook.client_ids import (
    ClientIdArrays,
    allocate_client_ids,
    find_client_id,
    grown_client_ids,
    write_client_id,
)
from engine.records import pack_client_id

SEEDS = np.array([123_456_789, -987_654_321], np.int64)
COUNT = 3_000

# What clients do, and what hostile ones may try: (account, high, low) of the n-th id.
PATTERNS = {
    "counting up": lambda n: (1, 0, n + 1),
    "counting up, many accounts": lambda n: (n % 7 + 1, 0, n // 7 + 1),
    "counting in the high half": lambda n: (1, n + 1, 0),
    "text": lambda n: (1, *pack_client_id(f"order-{n}")[:2]),
    "same low bits": lambda n: (1, 0, (n + 1) << 40),
    "same offset in every block": lambda n: (1, 0, 16 * (n + 1) + 5),
    "negative": lambda n: (1, -n - 1, -n - 1),
}


def _enter(table: ClientIdArrays, keys: Iterable[tuple[int, int, int]]) -> None:
    for value, key in enumerate(keys, start=1):
        row = find_client_id(table, *key)
        assert table.entries[row]["value"] == 0
        write_client_id(table, row, *key, value)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_each_id_is_found_and_no_other(pattern: str) -> None:
    """Ids are told apart by account and both halves, before and after the table has grown."""
    keys = [PATTERNS[pattern](number) for number in range(COUNT)]
    small = allocate_client_ids(SEEDS, 8_192)
    _enter(small, keys)
    grown = grown_client_ids(small, COUNT, 2 * COUNT)
    assert len(grown.entries) == 32_768
    for table in (small, grown):
        for value, key in enumerate(keys, start=1):
            assert table.entries[find_client_id(table, *key)]["value"] == value
        account, high, low = keys[0]
        for other in ((account + 1_000, high, low), (account, high ^ 1 << 62, low)):
            assert table.entries[find_client_id(table, *other)]["value"] == 0


def test_a_table_with_room_is_left_alone() -> None:
    """Nothing is copied while at most half of the entries can be in use."""
    table = allocate_client_ids(SEEDS, 1_024)
    assert grown_client_ids(table, 256, 256) is table
    assert len(grown_client_ids(table, 256, 257).entries) == 2_048


def test_a_full_lane_overflows_into_others() -> None:
    """A search visits the whole table in the end, so it ends even in a nearly full one."""
    table = allocate_client_ids(SEEDS, 64)
    keys = [(1, 0, 16 * number + 3) for number in range(1, 61)]
    _enter(table, keys)
    for value, key in enumerate(keys, start=1):
        assert table.entries[find_client_id(table, *key)]["value"] == value


def test_neighbouring_ids_share_a_block() -> None:
    """Sixteen ids that count upwards lie in the same 512 bytes, each in an entry of its own."""
    table = allocate_client_ids(SEEDS, 65_536)
    rows = [int(find_client_id(table, 1, 0, 1_600 + number)) for number in range(16)]
    assert len(set(rows)) == 16
    assert {row // 16 for row in rows} == {rows[0] // 16}
