"""The shell of the compiled engine: buffers, batches and sequence numbers."""

from random import Random

import numpy as np
import pytest
from engine_driver import SMALL_LIMITS, instrument_fields, make_command, send
from engine_flows import ROOMY_LIMITS, Flow, run_flow

from benchmarks.workloads import LIMITS, Message, opening, to_commands
from engine.codes import Code, CommandKind, EventKind, OrderType, Phase, Side, TimeInForce
from engine.matching import engine as shell
from engine.matching.arrays import event_bound
from engine.matching.engine import Engine, SequenceError
from engine.matching.invariants import check_invariants
from engine.matching.reference import ReferenceEngine
from engine.orderbook.arrays import POOL
from engine.orderbook.client_ids import allocate_client_ids
from engine.records import COMMAND, EVENT, RECORD_BYTES
from engine.state import state_hash


@pytest.fixture(scope="module")
def flow() -> Flow:
    """A few hundred commands of all kinds, with their events."""
    random = Random(17)
    return run_flow(Engine(ROOMY_LIMITS), [random.randrange(2**32) for _ in range(500)])


def _replayed(flow: Flow, batch_commands: int) -> tuple[bytes, str]:
    engine = Engine(ROOMY_LIMITS)
    events = [
        engine.apply(flow.commands[start : start + batch_commands]).tobytes()
        for start in range(0, len(flow.commands), batch_commands)
    ]
    check_invariants(engine.arrays)
    return b"".join(events), state_hash(engine.export())


@pytest.mark.parametrize("batch_commands", [1, 7, 256, 10_000])
def test_batches_do_not_matter(flow: Flow, batch_commands: int) -> None:
    """However commands are cut into batches, events and state are the same."""
    events, digest = _replayed(flow, batch_commands)
    assert events == flow.events.tobytes()
    assert digest == _replayed(flow, 3)[1]


@pytest.mark.parametrize(
    "layout",
    [
        lambda commands: np.frombuffer(commands.tobytes(), COMMAND),
        lambda commands: np.frombuffer(b"x" + commands.tobytes(), COMMAND, offset=1),
        lambda commands: np.repeat(commands.view("V128"), 2)[::2].view(COMMAND),
    ],
    ids=["read-only", "unaligned", "strided"],
)
def test_any_array_of_commands_will_do(flow: Flow, layout) -> None:  # type: ignore[no-untyped-def]
    """The kernels read a copy, so it does not matter where commands come from."""
    events = Engine(ROOMY_LIMITS).apply(layout(flow.commands))
    assert events.tobytes() == flow.events.tobytes()


def test_an_empty_batch_gives_nothing() -> None:
    """No commands, no events, and the sequence stays."""
    engine = Engine(ROOMY_LIMITS)
    engine.warm_up()
    assert len(engine.apply(np.zeros(0, COMMAND))) == 0
    assert engine.sequence == 0


def test_events_are_records_of_128_bytes(flow: Flow) -> None:
    """What comes back is of dtype EVENT, whatever layout each event has."""
    events = Engine(ROOMY_LIMITS).apply(flow.commands)
    assert events.dtype == EVENT
    assert events.nbytes == RECORD_BYTES * len(events)
    assert set(events["kind"]) <= {kind.value for kind in EventKind}


@pytest.mark.parametrize("sequence", [-1, 0, 2, 2**63 - 1])
def test_a_gap_in_the_sequence_is_an_error(sequence: int) -> None:
    """A command out of order is not applied: that would make state no journal can repeat."""
    engine = Engine(ROOMY_LIMITS)
    before = state_hash(engine.export())
    command = make_command(CommandKind.OPEN_ACCOUNT, account=1)
    command["sequence"] = sequence
    with pytest.raises(SequenceError, match="command 1 was to be next"):
        engine.apply(command)
    assert engine.sequence == 0
    assert state_hash(engine.export()) == before


@pytest.mark.parametrize("kind", [0, 11, 15, 31, 255])
def test_an_unknown_kind_is_refused(kind: int) -> None:
    """Kinds that this version does not know are answered, and change nothing."""
    engine = Engine(ROOMY_LIMITS)
    before = state_hash(engine.export())
    command = make_command(kind, account=1)
    command["sequence"] = 1
    (event,) = engine.apply(command)
    assert (event["kind"], event["code"]) == (EventKind.COMMAND_REFUSED, Code.INVALID_REQUEST)
    assert engine.sequence == 1
    assert state_hash(engine.export()) == before


def test_the_bound_on_events_counts_every_resting_order() -> None:
    """One CANCEL_ALL may end all open orders; nothing but open orders and commands gives events."""
    pool = np.zeros(1, POOL)
    assert event_bound(256, pool[0], 3) >= 256 * 10 + 6
    pool["open_orders"] = 1_000
    resting = event_bound(1, pool[0], 0)
    assert resting >= 1_000 + 1
    pool["pending_stops"] = 1_000
    stops = event_bound(1, pool[0], 0)
    assert stops >= resting + 6 * 1_000
    pool["hidden_slices"] = 1_000
    assert event_bound(1, pool[0], 0) >= stops + 2 * 1_000


def test_room_is_found_again_when_what_was_known_is_used_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Many small batches fill the book; then one command gives an event for each of its orders."""
    monkeypatch.setattr(shell, "_ROOM_COMMANDS", 8)
    engine = Engine(LIMITS)
    first = len(opening()) + 1
    engine.apply(opening())
    flow = [
        Message(CommandKind.NEW_ORDER, Side.BUY, number, 95_000 + number, 1, False)
        for number in range(1, 301)
    ]
    commands = to_commands(flow, first)
    for start in range(0, len(commands), 3):
        assert len(engine.apply(commands[start : start + 3])) == 3
    events = engine.apply(make_command(CommandKind.CANCEL_ALL, sequence=first + 300))
    assert len(events) == 1 + 300
    assert np.all(events["sequence"] == first + 300)
    check_invariants(engine.arrays)


def test_a_sweep_of_icebergs_that_triggers_stops_finds_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One command fills every slice of every iceberg, and then every pending stop enters."""
    monkeypatch.setattr(shell, "_ROOM_COMMANDS", 1)
    engine = Engine(SMALL_LIMITS)
    send(engine, make_command(CommandKind.DEFINE_INSTRUMENT, **instrument_fields()))
    for account in (1, 2):
        send(engine, make_command(CommandKind.OPEN_ACCOUNT, account=account))
        send(engine, make_command(CommandKind.DEPOSIT_CASH, account=account, amount_fen=2**40))
        credits = {"account": account, "instrument": 1, "quantity_lots": 5_000}
        send(engine, make_command(CommandKind.DEPOSIT_CREDITS, **credits))
    send(engine, make_command(CommandKind.SET_PHASE, instrument=1, phase=Phase.CONTINUOUS))

    def enter(account: int, side: Side, price_ticks: int, lots: int, **more: int) -> list[int]:
        order = {"account": account, "side": side, "price_ticks": price_ticks} | more
        order |= {"instrument": 1, "order_type": OrderType.LIMIT, "quantity_lots": lots}
        order |= {"time_in_force": TimeInForce.GTC, "self_trade_prevention": 1, "purpose": 1}
        events = send(engine, make_command(CommandKind.NEW_ORDER, **order))
        return [event["kind"] for event in events]

    for _ in range(10):
        enter(1, Side.SELL, 10_000, 100, display_quantity_lots=1)
    enter(1, Side.SELL, 10_002, 120)
    for _ in range(100):
        enter(2, Side.BUY, 10_002, 1, stop_price_ticks=10_001)
    kinds = enter(2, Side.BUY, 10_002, 1_000)
    assert kinds.count(EventKind.TRADE) == 1_000
    assert kinds.count(EventKind.ORDER_REFRESHED) == 990
    kinds = enter(2, Side.BUY, 10_002, 1)
    assert kinds.count(EventKind.ORDER_TRIGGERED) == 100
    assert kinds.count(EventKind.TRADE) == 101
    check_invariants(engine.arrays)


def test_a_growing_client_id_table_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a table of 64 entries on, ids are known and refused as by an engine that has room."""
    random = Random(7)
    reference = ReferenceEngine(ROOMY_LIMITS)
    flow = run_flow(reference, [random.randrange(2**32) for _ in range(1_500)])
    monkeypatch.setattr(shell, "_ROOM_COMMANDS", 8)
    engine = Engine(ROOMY_LIMITS)
    tiny = allocate_client_ids(engine.arrays.client_ids.seeds, 64)
    engine._use(engine.arrays._replace(client_ids=tiny))
    is_moving, parts, start = set(), [], 0
    while start < len(flow.commands):
        end = start + random.choice((1, 2, 5, 8))
        parts.append(engine.apply(flow.commands[start:end]).tobytes())
        is_moving.add(len(engine.arrays.client_ids.old_entries) > 0)
        start = end
    assert b"".join(parts) == flow.events.tobytes()
    assert state_hash(engine.export()) == state_hash(reference.export())
    assert is_moving == {True, False}
    assert len(engine.arrays.client_ids.entries) >= 1_024
