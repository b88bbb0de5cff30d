"""Answers to questions about the engine's state, and their bytes on the link.

An answer to a query is one sequence and some arrays: the state after exactly that command. The
core lets it leave only when that command is durable and, on a link that is not still catching up,
behind its events. Whoever has an answer with sequence S and then takes the events from S + 1 has
missed and doubled nothing.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, Protocol

import numpy as np

from engine.link import LinkError, QueryKind
from engine.state import EngineState, state_hash
from engine.state_records import (
    ACCOUNT_STATE,
    ALLOWANCE_STATE,
    INSTRUMENT_STATE,
    ORDER_STATE,
    POSITION_STATE,
)
from engine.status import STATUS

QUESTION = struct.Struct("<Bi")
_LENGTH = struct.Struct("<q")
_HASH = np.dtype("u1")


class MatchingEngine(Protocol):
    """What the core needs of an engine; both engines are this."""

    @property
    def sequence(self) -> int: ...

    @property
    def next_expiry_ns(self) -> int:
        """When the next order expires; NEVER_NS if none does."""

    @property
    def next_interruption_end_ns(self) -> int:
        """No volatility interruption ends before this time; NEVER_NS if none does at all."""

    def apply(self, commands: np.ndarray) -> np.ndarray: ...

    def export(self) -> EngineState: ...

    def memory(self) -> dict[str, np.ndarray]:
        """The arrays that are its whole state, by name; none: it takes no snapshots."""

    def restore(self, memory: dict[str, np.ndarray]) -> None:
        """Go on from the state whose arrays these are."""

    def export_account(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One row of ACCOUNT_STATE (zeros for an unknown number), and the account's own rows of
        POSITION_STATE and ALLOWANCE_STATE, as `export` has them."""


class AccountAnswer(NamedTuple):
    """One account: a row of ACCOUNT_STATE (zeros for an unknown number) and its own rows of
    POSITION_STATE and ALLOWANCE_STATE."""

    sequence: int
    account: np.void
    positions: np.ndarray
    allowances: np.ndarray


class MarketAnswer(NamedTuple):
    """All instruments, indexed by number, and all open orders, in ORDER_STATE's order."""

    sequence: int
    instruments: np.ndarray
    orders: np.ndarray


class BalancesAnswer(NamedTuple):
    """All accounts, indexed by number, all positions and allowances."""

    sequence: int
    accounts: np.ndarray
    positions: np.ndarray
    allowances: np.ndarray


class StatusAnswer(NamedTuple):
    """One row of STATUS."""

    sequence: int
    status: np.void


Answer = AccountAnswer | MarketAnswer | BalancesAnswer | StatusAnswer | tuple[int, str]

_DTYPES = {
    QueryKind.ACCOUNT: (ACCOUNT_STATE, POSITION_STATE, ALLOWANCE_STATE),
    QueryKind.MARKET: (INSTRUMENT_STATE, ORDER_STATE),
    QueryKind.STATE_HASH: (_HASH,),
    QueryKind.BALANCES: (ACCOUNT_STATE, POSITION_STATE, ALLOWANCE_STATE),
    QueryKind.STATUS: (STATUS,),
}


def question(payload: bytes) -> tuple[QueryKind, int]:
    """What is asked, and its argument. Raises LinkError."""
    try:
        number, argument = QUESTION.unpack(payload)
        return QueryKind(number), argument
    except (struct.error, ValueError) as error:
        raise LinkError(f"a query that the core does not know: {error}") from error


def status_answer(status: np.ndarray) -> bytes:
    """The encoded answer to STATUS: one row."""
    return _encode(int(status[0]["released_sequence"]), status)


def answer(engine: MatchingEngine, kind: QueryKind, argument: int) -> bytes:
    """The encoded answer to any other question."""
    if kind is QueryKind.ACCOUNT:
        return _encode(engine.sequence, *engine.export_account(argument))
    state = engine.export()
    if kind is QueryKind.MARKET:
        return _encode(state.sequence, state.instruments, state.orders)
    if kind is QueryKind.BALANCES:
        return _encode(state.sequence, state.accounts, state.positions, state.allowances)
    return _encode(state.sequence, np.frombuffer(state_hash(state).encode("ascii"), _HASH))


def decode(kind: QueryKind, payload: bytes) -> Answer:
    """The answer to a question of `kind`. Arrays are read-only. Raises LinkError."""
    try:
        (sequence,) = _LENGTH.unpack_from(payload)
        offset = _LENGTH.size
        arrays = []
        for dtype in _DTYPES[kind]:
            (length,) = _LENGTH.unpack_from(payload, offset)
            offset += _LENGTH.size
            arrays.append(np.frombuffer(payload, dtype, length, offset))
            offset += length * dtype.itemsize
    except (struct.error, ValueError) as error:
        raise LinkError(f"an answer that is cut off: {error}") from error
    if kind is QueryKind.ACCOUNT:
        return AccountAnswer(sequence, arrays[0][0], arrays[1], arrays[2])
    if kind is QueryKind.MARKET:
        return MarketAnswer(sequence, *arrays)
    if kind is QueryKind.BALANCES:
        return BalancesAnswer(sequence, *arrays)
    if kind is QueryKind.STATUS:
        return StatusAnswer(sequence, arrays[0][0])
    return sequence, arrays[0].tobytes().decode("ascii")


def _encode(sequence: int, *arrays: np.ndarray) -> bytes:
    parts = [_LENGTH.pack(sequence)]
    for array in arrays:
        parts += [_LENGTH.pack(len(array)), np.ascontiguousarray(array).tobytes()]
    return b"".join(parts)
