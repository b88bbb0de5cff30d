"""The client-id table finds what was entered and nothing else, however the ids were chosen."""

import threading
from collections.abc import Iterable

import numpy as np
import pytest

from engine.orderbook import client_ids as module
from engine.orderbook.client_ids import (
    MARK_BITS,
    MOVED_PER_COMMAND,
    ClientIdArrays,
    ClientIdGrowth,
    allocate_client_ids,
    find_client_id,
    first_place,
    move_client_ids,
    write_client_id,
)
from engine.packed_texts import pack_client_id

SEEDS = np.array([0x1F3A_86C5_0D27_9B41, -987_654_321_987_654_321, 5 << 57 | 1234567], np.int64)
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
    place = first_place(table.entries, table.seeds, *key)
    row, value = find_client_id(table, place, *key)
    return int(row), int(value)


def _enter(table: ClientIdArrays, keys: Iterable[tuple[int, int, int]], first: int = 1) -> None:
    for value, key in enumerate(keys, start=first):
        row, known = _find(table, key)
        assert known == 0
        place = first_place(table.entries, table.seeds, *key)
        write_client_id(table, row, place, value, *key, value)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_each_id_is_found_and_no_other(pattern: str) -> None:
    """Ids are told apart by account and both halves, before and after the table has grown."""
    keys = [PATTERNS[pattern](number) for number in range(COUNT)]
    small = allocate_client_ids(SEEDS, 8_192)
    _enter(small, keys)
    grown = ClientIdGrowth().room_for(small, COUNT, 2 * COUNT)
    assert len(grown.entries) == 32_768
    for rows_to_move in (0, 2_000, 8_192):
        move_client_ids(grown, rows_to_move)
        for table in (small, grown):
            for value, key in enumerate(keys, start=1):
                assert _find(table, key)[1] == value
            account, high, low = keys[0]
            for other in ((account + 1_000, high, low), (account, high ^ 1 << 62, low)):
                assert _find(table, other)[1] == 0
    whole = ClientIdGrowth().room_for(grown, COUNT, 0)
    assert (len(whole.old_entries), len(whole.entries)) == (0, 32_768)
    assert [_find(whole, key)[1] for key in keys] == list(range(1, COUNT + 1))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_ids_come_while_the_table_grows(pattern: str) -> None:
    """Between moves new ids are entered, and old ones are known: none is lost or entered twice."""
    keys = [PATTERNS[pattern](number) for number in range(COUNT)]
    table, growth = allocate_client_ids(SEEDS, 1_024), ClientIdGrowth()
    for start in range(0, COUNT, 50):
        table = growth.room_for(table, start, 50)
        move_client_ids(table, 50 * MOVED_PER_COMMAND)
        _enter(table, keys[start : start + 50], start + 1)
        known = keys[: start + 50 : 7]
        assert [_find(table, key)[1] for key in known] == list(range(1, start + 51, 7))
    move_client_ids(table, len(table.old_records))
    assert np.count_nonzero(table.entries) == COUNT
    assert table.records["value"][: COUNT + 1].tolist() == list(range(COUNT + 1))


def test_growth_is_done_before_the_next_is_due() -> None:
    """However many ids each command registers, no growth has to wait for the one before it."""
    table, growth = allocate_client_ids(SEEDS, 1_024), ClientIdGrowth()
    for used in range(0, 40_000, 32):
        grown = growth.room_for(table, used, 32)
        has_grown = len(grown.entries) > len(table.entries)
        assert not has_grown or table.moved[0] == len(table.old_records)
        move_client_ids(grown, 32 * MOVED_PER_COMMAND)
        table = grown
        assert 4 * (used + 32) <= 3 * len(table.entries)
    assert len(table.entries) >= 65_536


def test_a_batch_larger_than_the_table_finishes_the_move_first() -> None:
    """Two growths without a command between them: the first is completed, nothing is lost."""
    keys = [(1, 0, number) for number in range(1, 101)]
    table = allocate_client_ids(SEEDS, 256)
    _enter(table, keys)
    growth = ClientIdGrowth()
    table = growth.room_for(growth.room_for(table, 100, 100), 100, 1_000)
    assert (len(table.old_entries), len(table.entries)) == (512, 4_096)
    assert [_find(table, key)[1] for key in keys] == list(range(1, 101))


def test_a_table_with_room_is_left_alone() -> None:
    """Nothing changes while at most half of the entries can be in use."""
    table, growth = allocate_client_ids(SEEDS, 1_024), ClientIdGrowth()
    assert growth.room_for(table, 256, 256) is table
    assert not growth.is_preparing


def test_nobody_waits_for_the_next_table_before_three_quarters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While its memory is being committed the present table goes on; it is never filled up."""
    may_end = threading.Event()
    monkeypatch.setattr(module, "commit", lambda _: may_end.wait())
    table, growth = allocate_client_ids(SEEDS, 1_024), ClientIdGrowth()
    assert growth.room_for(table, 512, 1) is table
    assert growth.is_preparing
    assert growth.room_for(table, 768, 0) is table
    threading.Timer(0.01, may_end.set).start()
    grown = growth.room_for(table, 768, 1)
    assert may_end.is_set()
    assert len(grown.entries) == 2_048
    assert grown.old_entries is table.entries


def test_a_full_line_leads_on_to_the_next() -> None:
    """A search visits the whole table in the end, so it ends even in a nearly full one."""
    table = allocate_client_ids(SEEDS, 64)
    keys = [(1, 0, 16 * number + 3) for number in range(1, 49)]
    _enter(table, keys)
    for value, key in enumerate(keys, start=1):
        assert _find(table, key)[1] == value
    full = (table.entries.reshape(-1, 8) != 0).all(axis=1)
    assert full.any()
    assert not full.all()


def test_another_id_with_the_same_mark_is_not_taken_for_it() -> None:
    """A mark only says where to look: with one mark for all, each id is still found by itself."""
    table = allocate_client_ids(SEEDS, 64)
    keys = [(1, 0, 16 * number + 3) for number in range(1, 33)]
    place = 5
    for number, key in enumerate(keys, start=1):
        entry, known = find_client_id(table, place, *key)
        assert known == 0
        write_client_id(table, entry, place, number, *key, 100 + number)
    assert [find_client_id(table, place, *key)[1] for key in keys] == list(range(101, 133))
    assert find_client_id(table, place, 2, 0, 19)[1] == 0


def test_neighbouring_ids_share_a_line() -> None:
    """Four ids that count upwards lie in the same 64 bytes; hundreds of them in as many lines."""
    table = allocate_client_ids(SEEDS, 65_536)
    lines = [first_place(table.entries, SEEDS, 1, 0, low) >> MARK_BITS for low in range(1_600)]
    assert lines[::4] == lines[1::4] == lines[2::4] == lines[3::4]
    assert len(set(lines)) > 380


@pytest.mark.parametrize("pattern", PATTERNS)
def test_ids_spread_over_the_table(pattern: str) -> None:
    """With half of the entries in use few ids lie in another line than the one they begin at."""
    table = allocate_client_ids(SEEDS, 8_192)
    keys = [PATTERNS[pattern](number) for number in range(4_096)]
    _enter(table, keys)
    first_lines = [first_place(table.entries, SEEDS, *key) >> MARK_BITS for key in keys]
    lines = [_find(table, key)[0] // 8 for key in keys]
    strays = sum(line != first for line, first in zip(lines, first_lines, strict=True))
    assert strays < len(keys) // 5
