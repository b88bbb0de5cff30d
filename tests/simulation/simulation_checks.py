"""The promises, each looked for in what a recovered core has: against the reference engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from engine_driver import AnyEngine, check_state
from simulated_client import Trader
from sqlalchemy import func, select

from engine.codes import EventKind
from engine.core import Core
from engine.matching.reference import ReferenceEngine
from engine.packed_texts import pack_client_id
from engine.records import COMMAND, EVENT, ORDER_EVENT
from engine.state import EngineLimits, EngineState, state_hash
from settlement.database import Database
from settlement.tables.ledger import LedgerAccount, LedgerEntry


class CheckedEngine:
    """An engine whose whole state is checked after every batch."""

    def __init__(self, engine: AnyEngine, on_restored: Callable[[], None]) -> None:
        self._engine = engine
        self._on_restored = on_restored
        self.export_account = engine.export_account

    @property
    def sequence(self) -> int:
        return self._engine.sequence

    @property
    def next_expiry_ns(self) -> int:
        return self._engine.next_expiry_ns

    @property
    def next_interruption_end_ns(self) -> int:
        return self._engine.next_interruption_end_ns

    def apply(self, commands: np.ndarray) -> np.ndarray:
        events = self._engine.apply(commands)
        check_state(self._engine.export())
        return events

    def export(self) -> EngineState:
        return self._engine.export()

    def memory(self) -> dict[str, np.ndarray]:
        return self._engine.memory()

    def restore(self, memory: dict[str, np.ndarray]) -> None:
        self._engine.restore(memory)
        self._on_restored()


class Shown(dict[int, bytes]):
    """The events of each command that ever left the core, and so can never be otherwise."""

    def take(self, events: np.ndarray) -> None:
        for sequence, data in _by_sequence(events):
            assert self.setdefault(sequence, data) == data, f"command {sequence} was told otherwise"


class History(NamedTuple):
    """All commands of a journal, and what the reference engine makes of them."""

    commands: np.ndarray
    events: np.ndarray
    state_hash: str


def check_recovered(
    core: Core, limits: EngineLimits, shown: Shown, traders: list[Trader], sent: Iterable[range]
) -> History:
    """Everything that must hold for a core that has just replayed its journal."""
    history = _replay(core, limits)
    logged = [events.tobytes() for events in core.read_events(1)]
    assert b"".join(logged) == history.events.tobytes(), "the event log is what replay gives"
    assert state_hash(core._engine.export()) == history.state_hash, "both engines agree"
    _check_shown(history, shown)
    _check_orders(history, traders)
    _check_submissions(history, sent)
    return history


def _replay(core: Core, limits: EngineLimits) -> History:
    engine = ReferenceEngine(limits)
    batches = [np.zeros(0, COMMAND), *core._journal.read()]
    commands = np.frombuffer(bytearray(b"".join(batch.tobytes() for batch in batches)), COMMAND)
    assert commands["sequence"].tolist() == list(range(1, len(commands) + 1))
    assert (np.diff(commands["time_ns"]) >= 0).all(), "the core's time never falls"
    events = engine.apply(commands) if len(commands) else np.zeros(0, EVENT)
    state = engine.export()
    check_state(state)
    return History(commands, events, state_hash(state))


def _check_shown(history: History, shown: Shown) -> None:
    """What was acknowledged is there, as it was told."""
    now = dict(_by_sequence(history.events))
    for sequence, data in shown.items():
        assert now.get(sequence) == data, f"command {sequence} was acknowledged and is lost"


def _check_orders(history: History, traders: list[Trader]) -> None:
    """No order is there twice, and each that its trader knows of is there."""
    orders = history.events.view(ORDER_EVENT)[history.events["kind"] == EventKind.ORDER_ACCEPTED]
    found: dict[tuple[int, int, int], int] = {}
    for row in orders:
        key = (int(row["account"]), int(row["client_id_high"]), int(row["client_id_low"]))
        if any(key[1:]):
            assert key not in found, "an order is there twice"
            found[key] = int(row["order_id"])
    for trader in traders:
        for client_id, order_id in trader.known.items():
            high, low, _ = pack_client_id(client_id)
            assert found.get((trader.account, high, low)) == order_id, f"{client_id} is lost"


def _check_submissions(history: History, sent: Iterable[range]) -> None:
    """What was sent together is there together, or not at all."""
    there = Counter(history.commands["request_id"].tolist())
    for request_ids in sent:
        counts = {there[request_id] for request_id in request_ids}
        assert counts <= {0} or counts == {1}, f"a part of {request_ids}, or twice: {counts}"


def check_ledger(database: Database) -> None:
    """Every asset sums to zero over the ledger, and within each transaction."""
    with database.read() as session:
        totals: Any = session.execute(
            select(LedgerEntry.transaction_id, LedgerEntry.asset, func.sum(LedgerEntry.amount))
            .join(LedgerAccount, LedgerAccount.account_id == LedgerEntry.account_id)
            .group_by(LedgerEntry.transaction_id, LedgerEntry.asset)
        ).all()
    assert [row for row in totals if row[2] != 0] == []


def _by_sequence(events: np.ndarray) -> Iterable[tuple[int, bytes]]:
    starts = np.flatnonzero(np.diff(events["sequence"], prepend=-1)).tolist()
    for start, end in pairwise([*starts, len(events)]):
        yield int(events["sequence"][start]), events[start:end].tobytes()
