"""The engine called by compiled code, as an embedding program would: no Python for each call."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.compiled import direct_call, entry_point, int64
from engine.matching.arrays import EngineArrays
from engine.matching.batch import apply_batch
from engine.matching.engine import Engine
from engine.records import ORDER_COMMAND


@entry_point
def _apply_all(address: int, arrays: EngineArrays, commands: np.ndarray, batch: int) -> Any:
    """Apply commands, `batch` of them by each call; how many events they gave, or less than 0."""
    events = int64(0)
    for start in range(0, len(commands), batch):
        count = min(batch, len(commands) - start)
        for row in range(count):
            arrays.commands.orders[row] = commands[start + row]
        given = apply_batch(address, count)
        if given < 0:
            return given
        events += given
    return events


class CompiledLoop:
    """An engine and the loop that calls it; all is compiled, or loaded, when it is made."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._apply_all: Any = direct_call(
            _apply_all, engine.lend(0), engine.arrays, np.zeros(0, ORDER_COMMAND), 1
        )

    def apply(self, commands: np.ndarray, batch: int) -> int:
        """Apply commands of the layout ORDER_COMMAND; the number of their events."""
        address = self._engine.lend(len(commands))
        events = int(self._apply_all(address, self._engine.arrays, commands, batch))
        assert events >= 0, "commands came out of order"
        return events
