"""Start an engine in a process of its own and tell how long each step took: one JSON line.

`python -m benchmarks.start_up` is what `benchmarks.bench_startup` runs; the machine code is kept
where XDG_CACHE_HOME says, so an empty folder there makes a cold start.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

STEPS = ("imports", "allocation", "warm-up", "first batch")


def started(cache_folder: Path) -> dict[str, float]:
    """Start an engine with this cache in a new process; seconds of each step, and of the whole.

    The whole is seen from outside and so begins before the interpreter does. Raises
    CalledProcessError if it does not start.
    """
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")
    }
    environment["XDG_CACHE_HOME"] = str(cache_folder)
    start = time.perf_counter()
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.start_up"],
        cwd=Path(__file__).parents[1],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    seconds = time.perf_counter() - start
    steps: dict[str, float] = json.loads(output)
    return steps | {"whole": seconds}


def main() -> None:
    """Start, and print the seconds of each step."""
    moments = [time.perf_counter()]
    # Imported here, since importing is the first step.
    from benchmarks.workloads import opening
    from engine.matching.engine import Engine

    commands = opening()
    moments.append(time.perf_counter())
    engine = Engine()
    moments.append(time.perf_counter())
    engine.warm_up()
    moments.append(time.perf_counter())
    events = engine.apply(commands)
    moments.append(time.perf_counter())
    assert not events["code"].any(), "the opening is accepted"
    seconds = [later - earlier for earlier, later in pairwise(moments)]
    print(json.dumps(dict(zip(STEPS, seconds, strict=True))))


if __name__ == "__main__":
    main()
