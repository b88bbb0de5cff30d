"""Generated flows for tests of market data: every instrument with a symbol of its own."""

from __future__ import annotations

import numpy as np
from engine_driver import AnyEngine, read_events, stamp
from engine_flows import FlowMaker

from engine.codes import CommandKind
from engine.packed_texts import pack_text
from engine.records import INSTRUMENT_COMMAND


def run_market_flow(engine: AnyEngine, seeds: list[int]) -> list[np.ndarray]:
    """Make a command from each seed and apply it; returns each command's events."""
    maker = FlowMaker()
    opening = maker.opening()
    answers: list[np.ndarray] = []
    for number in range(len(opening) + len(seeds)):
        is_opening = number < len(opening)
        command = opening[number] if is_opening else maker.next(seeds[number - len(opening)])
        if command["kind"][0] == CommandKind.DEFINE_INSTRUMENT:
            symbol = f"CREDIT-{int(command['instrument'][0]) % 1_000}"
            high, low = pack_text(symbol)
            command.view(INSTRUMENT_COMMAND)["symbol_high"] = high
            command.view(INSTRUMENT_COMMAND)["symbol_low"] = low
        answers.append(engine.apply(stamp(command, number + 1)).copy())
        maker.learn(read_events(answers[-1]))
    return answers
