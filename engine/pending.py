"""Commands that wait for the core, and the batch that is made of the oldest of them."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from engine.codes import CommandKind
from engine.link import MAX_FRAME_COMMANDS
from engine.records import ADMIN_COMMAND, COMMAND, RECORD_BYTES

MAX_BATCH_COMMANDS = MAX_FRAME_COMMANDS


class Part(NamedTuple):
    """Commands of one frame; gateway 0 is the core itself."""

    gateway: int
    payload: bytes

    @property
    def commands(self) -> int:
        return len(self.payload) // RECORD_BYTES


class Pending:
    """A queue of parts."""

    def __init__(self) -> None:
        self.commands = 0
        self._parts: deque[Part] = deque()

    def __bool__(self) -> bool:
        return bool(self._parts)

    def append(self, part: Part) -> None:
        self._parts.append(part)
        self.commands += part.commands

    def append_first(self, part: Part) -> None:
        self._parts.appendleft(part)
        self.commands += part.commands

    def take(self, first_sequence: int, time_ns: int) -> np.ndarray:
        """Whole parts, oldest first, as one batch stamped with sequence, time and gateway."""
        parts: list[Part] = []
        count = 0
        while self._parts:
            size = self._parts[0].commands
            if parts and count + size > MAX_BATCH_COMMANDS:
                break
            parts.append(self._parts.popleft())
            count += size
        self.commands -= count
        batch = np.frombuffer(bytearray().join(part.payload for part in parts), COMMAND)
        batch["sequence"] = np.arange(first_sequence, first_sequence + count)
        batch["time_ns"] = time_ns
        batch["reserved_header"] = 0
        start = 0
        for part in parts:
            end = start + part.commands
            batch["gateway"][start:end] = part.gateway
            start = end
        return batch


def own_part(kind: CommandKind) -> Part:
    """A command of the core itself that has nothing but its kind."""
    command = np.zeros(1, ADMIN_COMMAND)
    command["kind"] = kind
    return Part(0, command.tobytes())
