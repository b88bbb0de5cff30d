"""The engine called by compiled code does what it does when Python calls it."""

import numpy as np
import pytest

from benchmarks.compiled_loop import CompiledLoop
from benchmarks.workloads import LIMITS, messages, opening, to_commands
from engine.matching.engine import Engine
from engine.records import ORDER_COMMAND
from engine.state import state_hash

MESSAGES = 500


@pytest.mark.parametrize("batch", [256, 7, 1])
def test_the_same_events_and_state(batch: int) -> None:
    """Whatever the batch: as many events, and the same state behind them."""
    first = opening()
    commands = to_commands(messages(MESSAGES, 3), len(first) + 1)
    plain, called = Engine(LIMITS), Engine(LIMITS)
    plain.apply(first)
    called.apply(first)
    events = len(plain.apply(commands))
    assert CompiledLoop(called).apply(commands.view(ORDER_COMMAND), batch) == events > MESSAGES
    assert state_hash(called.export()) == state_hash(plain.export())


def test_commands_out_of_order_are_noticed() -> None:
    """A gap in the sequence ends the loop."""
    engine = Engine(LIMITS)
    with pytest.raises(AssertionError, match="out of order"):
        CompiledLoop(engine).apply(np.zeros(1, ORDER_COMMAND), 1)
