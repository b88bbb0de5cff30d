"""Messages at a fixed rate, and how late each of them is answered.

Every message has a time at which it comes, whether or not the engine is ready for it, and its
latency counts from that time. So a stall is felt by all the messages that come while it lasts; a
sender that waits for one answer before it sends the next would have left them out (coordinated
omission).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_NS_PER_SECOND = 1_000_000_000


class Answered(NamedTuple):
    """What one run came to: each message's latency in order, and how many calls they took."""

    latencies_ns: np.ndarray
    calls: int


def offer(
    apply: Callable[[np.ndarray], object],
    commands: np.ndarray,
    messages_per_second: int,
    batch: int,
    now_ns: Callable[[], int] = time.perf_counter_ns,
) -> Answered:
    """Let the commands come one by one, evenly spaced, and again and again apply what has come.

    No call gets more than `batch` of them. A message is answered when its call returns.
    """
    count = len(commands)
    answered_ns = np.full(count, -1)  # written once, so that no page is new while the clock runs
    done = calls = 0
    start_ns = now_ns()
    while done < count:
        come = (now_ns() - start_ns) * messages_per_second // _NS_PER_SECOND + 1
        end = min(come, count, done + batch)
        if end == done:
            continue
        apply(commands[done:end])
        answered_ns[done:end] = now_ns() - start_ns
        calls += 1
        done = end
    # Rounded up to the nanosecond in which `come` counts the message.
    comes_ns = -(-np.arange(count) * _NS_PER_SECOND // messages_per_second)
    return Answered(answered_ns - comes_ns, calls)
