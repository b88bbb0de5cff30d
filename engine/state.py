"""The engine's state as plain arrays: for hashing, for queries over the link, for snapshots."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class EngineLimits:
    """Sizes of the engine's pools.

    They are part of the journal's first bytes: a command that is refused because a pool is full
    must be refused again on replay. Memory is reserved, not used, until a pool fills.
    """

    orders: int = 4_500_000
    accounts: int = 1_048_576
    positions: int = 4_194_304
    allowances: int = 65_536
    instruments: int = 1_024
    ladder_levels: int = 8_388_608  # summed over all instruments, for each side


class EngineState(NamedTuple):
    """Everything that decides how the engine answers the commands to come.

    Arrays have the dtypes of engine.records and their canonical order; `free_slots` (int32) is the
    stack of pool slots to be reused, next one last, and `slots_used` the number ever used.
    `sequence` and `time_ns` are of the last command; they move with refused commands too and are
    therefore not hashed.
    """

    sequence: int
    time_ns: int
    slots_used: int
    counters: np.ndarray
    instruments: np.ndarray
    accounts: np.ndarray
    positions: np.ndarray
    allowances: np.ndarray
    orders: np.ndarray
    free_slots: np.ndarray


def state_hash(state: EngineState) -> str:
    """SHA-256 (hex) over the state: equal for the compiled and the reference engine."""
    digest = hashlib.sha256()
    digest.update(state.slots_used.to_bytes(8, "little"))
    for array in state[3:]:
        digest.update(len(array).to_bytes(8, "little"))
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
