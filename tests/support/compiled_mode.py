"""Run as a script: a fixed flow through the compiled engine, and two hashes of what came out."""

import hashlib
from random import Random

from engine_flows import ROOMY_LIMITS, run_flow

from engine.matching.engine import Engine
from engine.state import state_hash


def run() -> str:
    """SHA-256 of all events, and the state hash."""
    engine = Engine(ROOMY_LIMITS)
    random = Random(20_261_120)
    flow = run_flow(engine, [random.randrange(2**32) for _ in range(600)])
    events = hashlib.sha256(flow.events.tobytes()).hexdigest()
    return f"{events} {state_hash(engine.export())}"


if __name__ == "__main__":
    print(run())
