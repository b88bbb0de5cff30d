"""Which command it was, when a replay comes to another state than the one noted in the journal.

Where the event log is there, it names the first command whose events are others. Where it is lost,
a second opinion must do: the reference engine, which shares no code with the compiled one, takes
the same commands, and the first on which the two differ is the one. Where they agree, both are
other than the engine that noted the state, and only the stretch since the last good mark is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from engine.queries import MatchingEngine
from engine.state import EngineLimits, state_hash

Groups = Callable[[], Iterable[np.ndarray]]
MakeEngine = Callable[[EngineLimits], MatchingEngine]


class _Pair:
    """An engine and the reference engine, which are given the same commands."""

    def __init__(self, make_engine: MakeEngine, limits: EngineLimits) -> None:
        # Here, because a start that goes well needs no reference engine.
        from engine.matching.reference import ReferenceEngine

        self._engine = make_engine(limits)
        self._reference = ReferenceEngine(limits)

    def apply(self, commands: np.ndarray) -> bool:
        """Whether both gave the same events."""
        events = self._engine.apply(commands).tobytes()
        return events == self._reference.apply(commands.copy()).tobytes()

    def agrees(self) -> bool:
        """Whether both are in the same state; this takes longer the more there is in it."""
        return state_hash(self._engine.export()) == state_hash(self._reference.export())


def first_differing(
    groups: Groups, make_engine: MakeEngine, limits: EngineLimits, agreed: int
) -> int | None:
    """The first command after `agreed` on which the engine and the reference engine differ, in
    their events or in the state behind it; None where they never do.

    `groups` gives all commands from the first on, as often as it is called: once to find the group
    with the command in it, and once more up to there and on, one by one.
    """
    begin = _first_group(groups, _Pair(make_engine, limits), agreed)
    if begin is None:
        return None
    pair = _Pair(make_engine, limits)
    for commands in groups():
        if int(commands[-1]["sequence"]) < begin:
            pair.apply(commands)
            continue
        for number in range(len(commands)):
            is_same = pair.apply(commands[number : number + 1])
            sequence = int(commands[number]["sequence"])
            if sequence > agreed and not (is_same and pair.agrees()):
                return sequence
    return None


def _first_group(groups: Groups, pair: _Pair, agreed: int) -> int | None:
    """The first command of the first group in or behind which the two differ."""
    for commands in groups():
        is_same = pair.apply(commands)
        if int(commands[-1]["sequence"]) > agreed and not (is_same and pair.agrees()):
            return int(commands[0]["sequence"])
    return None
