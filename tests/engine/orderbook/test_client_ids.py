"""The client-id table finds what was entered and nothing else, however the ids were chosen."""

from collections.abc import Iterable

import numpy as np
import pytest

from engine.orderbook.client_ids import (
    MOVED_PER_COMMAND,
    ClientIdArrays,
    allocate_client_ids,
    find_client_id,
    first_row,
    grown_client_ids,
    move_client_ids,
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


def _find(table: ClientIdArrays, key: tuple[int, int, int]) -> tuple[int, int]:
    """The row of an id and what it stands for."""
    row, value = find_client_id(table, first_row(table.entries, table.seeds, *key), *key)
    return int(row), int(value)


def _enter(table: ClientIdArrays, keys: Iterable[tuple[int, int, int]], first: int = 1) -> None:
    for value, key in enumerate(keys, start=first):
        row, known = _find(table, key)
        assert known == 0
        write_client_id(table, row, *key, value)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_each_id_is_found_and_no_other(pattern: str) -> None:
    """Ids are told apart by account and both halves, before and after the table has grown."""
    keys = [PATTERNS[pattern](number) for number in range(COUNT)]
    small = allocate_client_ids(SEEDS, 8_192)
    _enter(small, keys)
    grown = grown_client_ids(small, COUNT, 2 * COUNT)
    assert len(grown.entries) == 32_768
    for rows_to_move in (0, 3_000, 8_192):
        move_client_ids(grown, rows_to_move)
        for table in (small, grown):
            for value, key in enumerate(keys, start=1):
                assert _find(table, key)[1] == value
            account, high, low = keys[0]
            for other in ((account + 1_000, high, low), (account, high ^ 1 << 62, low)):
                assert _find(table, other)[1] == 0
    whole = grown_client_ids(grown, COUNT, 0)
    assert (len(whole.old_entries), len(whole.entries)) == (0, 32_768)
    assert [_find(whole, key)[1] for key in keys] == list(range(1, COUNT + 1))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_ids_come_while_the_table_grows(pattern: str) -> None:
    """Between moves new ids are entered, and old ones are known: none is lost or entered twice."""
    keys = [PATTERNS[pattern](number) for number in range(COUNT)]
    table = allocate_client_ids(SEEDS, 1_024)
    for start in range(0, COUNT, 50):
        table = grown_client_ids(table, start, 50)
        move_client_ids(table, 50 * MOVED_PER_COMMAND)
        _enter(table, keys[start : start + 50], start + 1)
        known = keys[: start + 50 : 7]
        assert [_find(table, key)[1] for key in known] == list(range(1, start + 51, 7))
    move_client_ids(table, len(table.old_entries))
    assert np.count_nonzero(table.entries["value"]) == COUNT


def test_growth_is_done_before_the_next_is_due() -> None:
    """However many ids each command registers, no growth has to wait for the one before it."""
    table = allocate_client_ids(SEEDS, 1_024)
    for used in range(0, 40_000, 32):
        grown = grown_client_ids(table, used, 32)
        has_grown = len(grown.entries) > len(table.entries)
        assert not has_grown or table.moved[0] == len(table.old_entries)
        move_client_ids(grown, 32 * MOVED_PER_COMMAND)
        table = grown
    assert len(table.entries) == 131_072


def test_a_batch_larger_than_the_table_finishes_the_move_first() -> None:
    """Two growths without a command between them: the first is completed, nothing is lost."""
    keys = [(1, 0, number) for number in range(1, 101)]
    table = allocate_client_ids(SEEDS, 256)
    _enter(table, keys)
    table = grown_client_ids(grown_client_ids(table, 100, 100), 100, 1_000)
    assert (len(table.old_entries), len(table.entries)) == (512, 4_096)
    assert [_find(table, key)[1] for key in keys] == list(range(1, 101))


def test_a_table_with_room_is_left_alone() -> None:
    """Nothing changes while at most half of the entries can be in use."""
    table = allocate_client_ids(SEEDS, 1_024)
    assert grown_client_ids(table, 256, 256) is table
    assert len(grown_client_ids(table, 256, 257).entries) == 2_048


def test_a_full_lane_overflows_into_others() -> None:
    """A search visits the whole table in the end, so it ends even in a nearly full one."""
    table = allocate_client_ids(SEEDS, 64)
    keys = [(1, 0, 16 * number + 3) for number in range(1, 61)]
    _enter(table, keys)
    for value, key in enumerate(keys, start=1):
        assert _find(table, key)[1] == value


def test_neighbouring_ids_share_a_block() -> None:
    """Sixteen ids that count upwards lie in the same 512 bytes, each in an entry of its own."""
    table = allocate_client_ids(SEEDS, 65_536)
    rows = [_find(table, (1, 0, 1_600 + number))[0] for number in range(16)]
    assert len(set(rows)) == 16
    assert {row // 16 for row in rows} == {rows[0] // 16}
