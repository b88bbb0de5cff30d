"""A core process that kills itself at a chosen step: `python dying_core.py DATA STEP COUNTDOWN`.

At the COUNTDOWN-th time that it comes to the step it is gone, as by kill -9.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core_driver import LIMITS

from engine.core import Core
from engine.event_log import EventLog
from engine.journal import Journal
from engine.matching.reference import ReferenceEngine
from engine.server_link import ServerLink

Step = tuple[Any, str, str]

# What is wrapped, and whether death comes before or after it.
STEPS: dict[str, Step] = {
    "receive": (Core, "take_commands", "before"),
    "append": (Journal, "append", "before"),
    "write": (os, "pwritev", "after"),
    "sync": (os, "fdatasync", "after"),
    "match": (ReferenceEngine, "apply", "after"),
    "publish": (ServerLink, "release", "before"),
    "log": (EventLog, "append", "before"),
}


def arm(step: str, countdown: int) -> None:
    """Make the process die at the step."""
    owner, name, moment = STEPS[step]
    original: Callable[..., Any] = getattr(owner, name)
    left = countdown

    def deadly(*arguments: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, deadly)


async def main(data_dir: Path, step: str, countdown: int) -> None:
    """Run until the end."""
    core = Core(data_dir, ReferenceEngine, LIMITS)
    await core.start()
    # What a start does is no step of a command; nobody has been heard yet.
    arm(step, countdown)
    await core.failed


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
