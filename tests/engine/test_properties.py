"""What holds for every flow of commands, however odd; and that both engines are one market."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
from engine_driver import AnyEngine, check_reply, check_state, command_layout, read_events
from engine_flows import Flow, command_seeds, run_flow
from engine_scales import HUGE, ROOMY, TIGHT, Scale, scales
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.codes import Code, CommandKind, EventKind
from engine.matching.engine import Engine
from engine.matching.reference import ReferenceEngine
from engine.state import EngineLimits, state_hash

EngineClass = Callable[[EngineLimits], AnyEngine]

# The fixture `engine_class` is a class: nothing of one example reaches the next.
SHARED_FIXTURE = [HealthCheck.function_scoped_fixture]
LONG_RUN_COMMANDS = 6_000


def _describe(command: np.ndarray) -> str:
    layout = command_layout(int(command["kind"][0]))
    row = command.view(layout)[0]
    fields = {name: int(row[name]) for name in layout.names or () if name != "padding"}
    return str({name: value for name, value in fields.items() if value})


@settings(max_examples=120, deadline=None)
@given(seeds=command_seeds, scale=scales)
def test_both_engines_agree_after_every_command(seeds: list[int], scale: Scale) -> None:
    """Same events, byte for byte, and same state hash, after each command."""
    compiled = Engine(scale.limits)
    reference = ReferenceEngine(scale.limits)

    def compare(command: np.ndarray, events: list[dict[str, Any]]) -> None:
        answer = compiled.apply(command)
        assert read_events(answer) == events, _describe(command)
        assert state_hash(compiled.export()) == state_hash(reference.export()), _describe(command)
        assert compiled.next_expiry_ns == reference.next_expiry_ns, _describe(command)
        # The compiled engine's may be too early, until it has looked for what has ended.
        has_looked = int(command["kind"][0]) == CommandKind.END_INTERRUPTIONS
        early_ns = reference.next_interruption_end_ns - compiled.next_interruption_end_ns
        assert early_ns == 0 if has_looked else early_ns >= 0, _describe(command)

    flow = run_flow(reference, seeds, compare, scale)
    again = Engine(scale.limits).apply(flow.commands)
    assert again.tobytes() == flow.events.tobytes()


@settings(max_examples=60, deadline=None, suppress_health_check=SHARED_FIXTURE)
@given(seeds=command_seeds, scale=scales)
def test_nothing_is_lost_or_made_by_any_command(
    engine_class: EngineClass, seeds: list[int], scale: Scale
) -> None:
    """Cash and credits are conserved, holds equal the open orders, the book is never crossed."""
    engine = engine_class(scale.limits)

    def check(command: np.ndarray, events: list[dict[str, Any]]) -> None:
        check_reply(command, events)
        check_state(engine.export())

    run_flow(engine, seeds, check, scale)


@settings(max_examples=50, deadline=None, suppress_health_check=SHARED_FIXTURE)
@given(seeds=command_seeds, scale=scales)
def test_a_refused_command_changes_nothing(
    engine_class: EngineClass, seeds: list[int], scale: Scale
) -> None:
    """The state hash is the same before and after a refusal."""
    engine = engine_class(scale.limits)
    hashes = [state_hash(engine.export())]

    def check(command: np.ndarray, events: list[dict[str, Any]]) -> None:
        hashes.append(state_hash(engine.export()))
        if events[0]["kind"] == EventKind.COMMAND_REFUSED:
            assert hashes[-1] == hashes[-2], _describe(command)

    run_flow(engine, seeds, check, scale)


@settings(max_examples=50, deadline=None, suppress_health_check=SHARED_FIXTURE)
@given(seeds=command_seeds, scale=scales, cut_seed=st.integers(0, 2**32 - 1))
def test_batches_make_no_difference(
    engine_class: EngineClass, seeds: list[int], scale: Scale, cut_seed: int
) -> None:
    """The same commands in other batches give the same events and the same state hash."""
    engine = engine_class(scale.limits)
    flow = run_flow(engine, seeds, scale=scale)
    other = engine_class(scale.limits)
    assert _apply_in_batches(other, flow, Random(cut_seed)) == flow.events.tobytes()
    assert state_hash(other.export()) == state_hash(engine.export())
    assert other.sequence == engine.sequence == len(flow.commands)


@pytest.mark.parametrize("scale", [ROOMY, TIGHT, HUGE], ids=["roomy", "tight", "huge"])
def test_a_long_run_agrees_batch_by_batch(scale: Scale) -> None:
    """Thousands of commands: the same events in random batches, and everything was tried."""
    random = Random(20_261_120)
    reference = ReferenceEngine(scale.limits)
    seeds = [random.randrange(2**32) for _ in range(LONG_RUN_COMMANDS)]
    flow = run_flow(reference, seeds, scale=scale)
    compiled = Engine(scale.limits)
    assert _apply_in_batches(compiled, flow, random) == flow.events.tobytes()
    assert state_hash(compiled.export()) == state_hash(reference.export())
    check_state(compiled.export())

    kinds = set(np.unique(flow.events["kind"]).tolist())
    assert kinds == set(EventKind), "the flow reaches every kind of event"
    assert set(CommandKind) <= set(np.unique(flow.commands["kind"]).tolist())
    codes = set(np.unique(flow.events["code"]).tolist())
    assert len(codes) >= len(Code) - 5, "and nearly every code"


def _apply_in_batches(engine: AnyEngine, flow: Flow, random: Random) -> bytes:
    """Apply the flow's commands in batches of random size; all events as bytes."""
    parts = []
    start = 0
    while start < len(flow.commands):
        end = start + random.choice((0, 1, 2, 7, 64, 256, 1_000))
        parts.append(engine.apply(flow.commands[start:end]).tobytes())
        start = end
    return b"".join(parts)
