"""What one more order, account or client id takes, against docs/adr/0004."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.matching.arrays import allocate_engine
from engine.orderbook.client_ids import ClientIdGrowth, allocate_client_ids
from engine.state import EngineLimits

PAGE = Path(__file__).parents[3] / "docs" / "adr" / "0004-pools-reserved-at-full-size.md"
SEEDS = np.zeros(3, np.int64)
COUNT = 1 << 12
# Powers of two, where the indexes have the most places for each row.
LIMITS = EngineLimits(
    orders=COUNT,
    accounts=COUNT,
    positions=COUNT,
    allowances=COUNT,
    instruments=COUNT,
    ladder_levels=COUNT,
)
POOLS = {
    "order": "orders",
    "price of an instrument, both sides": "ladder_levels",
    "account": "accounts",
    "position": "positions",
    "allowance": "allowances",
    "instrument, without its prices": "instruments",
}


def _bytes(arrays: Any) -> int:
    if isinstance(arrays, np.ndarray):
        return arrays.nbytes
    return sum(_bytes(member) for member in arrays)


def _stated() -> dict[str, float]:
    rows = re.findall(r"^\| ([a-z ,]+) \| ([0-9.]+) \|$", PAGE.read_text(), re.MULTILINE)
    return {name: float(figure) for name, figure in rows}


@pytest.mark.parametrize("name", POOLS)
def test_a_pool_takes_what_the_page_says(name: str) -> None:
    """Twice as many of one thing and no more of anything else."""
    larger = replace(LIMITS, **{POOLS[name]: 2 * COUNT})
    more_bytes = _bytes(allocate_engine(larger, SEEDS)) - _bytes(allocate_engine(LIMITS, SEEDS))
    assert more_bytes / COUNT == _stated()[name]


def test_a_client_id_takes_what_the_page_says() -> None:
    """The table is a quarter full, its worst, just after it has grown and all was moved."""
    table, growth = allocate_client_ids(SEEDS, COUNT), ClientIdGrowth()
    used = COUNT // 2
    assert growth.room_for(table, used, 0) is table
    grown = growth.room_for(table, used, used)  # at once
    row = grown.records.itemsize  # of the number 0, which no id has
    taken = grown.entries.nbytes + grown.records.nbytes - row
    assert taken / used == _stated()["client id"]
    assert 2 * (grown.old_entries.nbytes + grown.old_records.nbytes - row) == taken


def test_the_page_names_every_pool() -> None:
    """No limit is left out, and nothing is named that there is not."""
    assert set(_stated()) == {*POOLS, "client id"}
    assert set(POOLS.values()) == set(vars(LIMITS))
