"""The invariants hold through wild flows of commands, and notice each kind of damage."""

from collections.abc import Callable
from itertools import count
from random import Random
from typing import Any

import numpy as np
import pytest
from engine_flows import ROOMY_LIMITS, run_flow

from engine.codes import Resting
from engine.matching.arrays import EngineArrays
from engine.matching.engine import Engine
from engine.matching.invariants import check_invariants
from engine.orderbook.arrays import NO_LEVEL
from engine.orderbook.invariants import InvariantError


def _traded_engine(seed: int, commands: int, after: Callable[..., None] | None = None) -> Engine:
    engine = Engine(ROOMY_LIMITS)
    random = Random(seed)
    run_flow(engine, [random.randrange(2**32) for _ in range(commands)], after)
    return engine


@pytest.mark.parametrize("seed", range(4))
def test_a_wild_flow_breaks_nothing(seed: int) -> None:
    """Memory is in order after every single command of a hostile flow."""
    engine = Engine(ROOMY_LIMITS)
    random = Random(seed)
    seeds = [random.randrange(2**32) for _ in range(400)]
    run_flow(engine, seeds, lambda *_: check_invariants(engine.arrays))


def _busy_arrays() -> EngineArrays:
    """A state with something of everything that can be spoilt."""
    for seed in count():
        arrays = _traded_engine(seed, 120).arrays
        has_two_expiring = arrays.book.pool[0]["expiring"] >= 2
        if has_two_expiring and arrays.balances.first_locked[1]:
            return arrays
    raise AssertionError("no seed is left")


def _first_open(arrays: EngineArrays) -> Any:
    orders = arrays.book.orders
    return orders[
        np.flatnonzero((orders["order_id"] != 0) & (orders["resting"] == Resting.BOOK))[0]
    ]


def _busy_side(arrays: EngineArrays) -> Any:
    return arrays.book.sides[np.flatnonzero(arrays.book.sides["best"] != NO_LEVEL)[0]]


def _busy_level(arrays: EngineArrays) -> Any:
    return arrays.book.levels[np.flatnonzero(arrays.book.levels["orders"])[0]]


def _busy_ends(arrays: EngineArrays) -> Any:
    return arrays.book.account_ends[np.flatnonzero(arrays.book.account_ends["head"])[0]]


def _last_link(arrays: EngineArrays) -> Any:
    return arrays.book.account_links[_busy_ends(arrays)["tail"]]


def _expiring(arrays: EngineArrays) -> Any:
    return arrays.book.expiries[arrays.book.expiry_heap[1]]


def _expire_at_once(arrays: EngineArrays) -> None:
    last = arrays.book.expiry_heap[arrays.book.pool[0]["expiring"]]
    arrays.book.expiries[last]["expires_at_ns"] = 0


def _add(row: Any, field: str, amount: int = 1) -> None:
    row[field] += amount


# What is spoilt, and words of the complaint.
DAMAGE: dict[str, tuple[Callable[[EngineArrays], None], str]] = {
    "best": (lambda arrays: _add(_busy_side(arrays), "best"), "best level"),
    "top word": (lambda arrays: _add(_busy_side(arrays), "top_word"), "top bit"),
    "leaf word": (lambda arrays: arrays.book.leaf_words.__setitem__(0, -1), "leaf bit"),
    "level quantity": (lambda arrays: _add(_busy_level(arrays), "quantity_lots"), "quantity"),
    "level count": (lambda arrays: _add(_busy_level(arrays), "orders"), "as long as"),
    "level tail": (lambda arrays: _add(_busy_level(arrays), "tail"), "tail"),
    "link back": (lambda arrays: _add(_first_open(arrays), "previous"), "links back"),
    "price": (lambda arrays: _add(_first_open(arrays), "price_ticks"), "own price"),
    "remainder": (lambda arrays: _add(_first_open(arrays), "remaining_lots"), "quantity"),
    "id": (lambda arrays: _add(_first_open(arrays), "order_id"), "names its slot"),
    "nil order": (lambda arrays: _add(arrays.book.orders[0], "held_fen"), "slot 0"),
    "open count": (lambda arrays: _add(arrays.book.pool[0], "open_orders"), "counted"),
    "stop count": (lambda arrays: _add(arrays.book.pool[0], "pending_stops"), "stops are counted"),
    "slice count": (lambda arrays: _add(arrays.book.pool[0], "hidden_slices"), "slices are"),
    "resting": (lambda arrays: _add(_first_open(arrays), "resting"), "own price"),
    "slot lost": (lambda arrays: _add(arrays.book.pool[0], "slots_used"), "given back"),
    "account list": (lambda arrays: _add(_busy_ends(arrays), "tail"), "ends at its last"),
    "account link": (lambda arrays: _add(_last_link(arrays), "previous"), "both ways"),
    "expiry place": (lambda arrays: _add(_expiring(arrays), "place"), "its place"),
    "expiry": (_expire_at_once, "is sooner"),
    "expiry count": (lambda arrays: _add(arrays.book.pool[0], "expiring"), "in the heap"),
    "locked credits": (
        lambda arrays: arrays.balances.first_locked.__setitem__(1, 0),
        "credits are listed",
    ),
    "cash": (lambda arrays: _add(arrays.balances.accounts[1], "available_fen"), "cash is"),
    "cash hold": (lambda arrays: _add(arrays.balances.accounts[1], "held_fen"), "held_fen"),
    "order count": (lambda arrays: _add(arrays.balances.accounts[2], "open_orders"), "open_orders"),
    "credits": (lambda arrays: _add(arrays.balances.positions[1], "available_lots"), "credits of"),
    "credit hold": (lambda arrays: _add(arrays.balances.positions[1], "held_lots"), "held_lots"),
    "buying": (lambda arrays: _add(arrays.balances.positions[1], "buying_lots"), "buying_lots"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_noticed(damage: str) -> None:
    """Each claim fails when its own piece of memory is wrong, and says which claim it is."""
    arrays = _busy_arrays()
    check_invariants(arrays)
    spoil, complaint = DAMAGE[damage]
    spoil(arrays)
    with pytest.raises(InvariantError, match=complaint):
        check_invariants(arrays)
