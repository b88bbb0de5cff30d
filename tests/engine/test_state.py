"""The exported state and its hash: what counts and what does not."""

from collections.abc import Callable

import numpy as np
import pytest
from engine_driver import SMALL_LIMITS, AnyEngine
from engine_flows import run_flow

from engine.state import EngineLimits, EngineState, state_hash
from engine.state_records import ACCOUNT_STATE

EngineClass = Callable[[EngineLimits], AnyEngine]

ARRAYS = EngineState._fields[3:]
# A flow that happens to end with orders open and slots free.
STATE_SEEDS = 210


@pytest.fixture
def state(engine_class: EngineClass) -> EngineState:
    """A state in which no array is empty."""
    engine = engine_class(SMALL_LIMITS)
    run_flow(engine, list(range(STATE_SEEDS)))
    return engine.export()


def test_the_flow_leaves_nothing_empty(state: EngineState) -> None:
    """The tests below have something to change."""
    assert all(len(getattr(state, name)) for name in ARRAYS)


@pytest.mark.parametrize("name", ARRAYS)
def test_every_byte_of_every_array_counts(state: EngineState, name: str) -> None:
    """A changed bit, a row less: another hash."""
    before = state_hash(state)
    array = getattr(state, name)
    changed = array.copy()
    changed.view(np.uint8).reshape(-1)[-1] ^= 1
    assert state_hash(state._replace(**{name: changed})) != before
    assert state_hash(state._replace(**{name: array[:-1]})) != before


def test_slots_used_count_but_not_sequence_and_time(state: EngineState) -> None:
    """A refused command moves sequence and time, so they cannot be part of the hash."""
    before = state_hash(state)
    assert state_hash(state._replace(slots_used=state.slots_used + 1)) != before
    assert state_hash(state._replace(sequence=0, time_ns=0)) == before


def test_rows_cannot_move_from_one_array_to_the_next(state: EngineState) -> None:
    """Each array is hashed with its length."""
    empty = state._replace(free_slots=np.zeros(0, np.int32))
    nearly = state._replace(free_slots=np.zeros(2, np.int32))
    assert state_hash(empty) != state_hash(nearly)


def test_an_export_is_a_copy(engine_class: EngineClass) -> None:
    """It does not change with the commands that follow."""
    engine = engine_class(SMALL_LIMITS)
    before = engine.export()
    hashed = state_hash(before)
    run_flow(engine, list(range(20)))
    assert state_hash(before) == hashed != state_hash(engine.export())


def test_an_account_is_exported_as_its_part_of_the_whole(engine_class: EngineClass) -> None:
    """Its row, its positions and its allowances, in their order; zeros for an unknown number."""
    engine = engine_class(SMALL_LIMITS)
    run_flow(engine, list(range(200)))
    state = engine.export()
    nobody = np.zeros(1, ACCOUNT_STATE)
    for number in (-1, 0, 1, 2, 3, 4, 9, 63, 64, 2**31 - 1):
        account, positions, allowances = engine.export_account(number)
        is_exported = 0 <= number < len(state.accounts)
        row = state.accounts[number : number + 1] if is_exported else nobody
        assert account.tobytes() == row.tobytes()
        own = state.positions["account"] == number
        assert positions.tobytes() == state.positions[own].tobytes()
        own = state.allowances["account"] == number
        assert allowances.tobytes() == state.allowances[own].tobytes()


def test_the_first_state_is_empty(engine_class: EngineClass) -> None:
    """One account, the exchange's; the unused instrument 0; nothing else."""
    state = engine_class(SMALL_LIMITS).export()
    assert (state.sequence, state.time_ns, state.slots_used) == (0, 0, 0)
    assert [len(getattr(state, name)) for name in ARRAYS] == [1, 1, 1, 0, 0, 0, 0]
    assert state.accounts[0]["is_open"] == 0
    assert tuple(state.counters[0]) == (1, 1, 0, 0)
