"""Token buckets: how many, how soon again, and for whom."""

from __future__ import annotations

import subprocess
import sys

import pytest

from api.errors import Problem
from api.inherited import new_memory
from api.rate_limits import SETS, WAYS, Buckets, Policy, RateLimits

SECOND_NS = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.time_ns = 10**15

    def __call__(self) -> int:
        return self.time_ns


def rate_limits(clock: Clock, *policies: Policy) -> RateLimits:
    return RateLimits(policies, Buckets(new_memory()), clock)


def test_a_bucket_empties_and_refills_evenly() -> None:
    """Ten at once, no eleventh; a tenth of the window later there is one more."""
    clock = Clock()
    limits = rate_limits(clock, Policy("orders", 10, 1))
    left = [limits.take("orders", "a").remaining for _ in range(10)]
    assert left == list(range(9, -1, -1))
    with pytest.raises(Problem) as refused:
        limits.take("orders", "a")
    assert refused.value.extra == {"limit": 10, "retry_after_ms": 100}
    assert refused.value.response().headers["retry-after"] == "1"
    clock.time_ns += SECOND_NS // 10
    assert limits.take("orders", "a").remaining == 0
    clock.time_ns += 5 * SECOND_NS
    assert limits.read("orders", "a").remaining == 10


def test_accounts_and_classes_have_their_own_buckets() -> None:
    """What one account or class uses up is not missing to another."""
    limits = rate_limits(Clock(), Policy("orders", 1, 1), Policy("requests", 1, 1))
    for name, who in (("orders", "a"), ("orders", "b"), ("requests", "a")):
        limits.take(name, who)
        with pytest.raises(Problem):
            limits.take(name, who)


def test_many_tokens_are_taken_whole_or_not_at_all() -> None:
    """A refused batch takes nothing."""
    limits = rate_limits(Clock(), Policy("orders", 10, 1))
    limits.take("orders", "a", 8)
    with pytest.raises(Problem):
        limits.take("orders", "a", 3)
    reading = limits.take("orders", "a", 2)
    assert (reading.header, reading.policy.header) == ('"orders";r=0;t=1', '"orders";q=10;w=1')


def test_memory_is_bounded() -> None:
    """Whoever comes with ever new names fills no memory: a bucket that is nearly full gives way."""
    clock = Clock()
    limits = rate_limits(clock, Policy("public", 2, 60))
    limits.take("public", "a", 2)
    for number in range(2 * SETS * WAYS):
        limits.take("public", str(number))
    assert limits.read("public", "a").remaining == 0, "the emptiest bucket is kept"
    kept = sum(limits.read("public", str(number)).remaining == 1 for number in range(0, 10_000))
    assert kept < 10_000


def test_gateways_share_their_buckets() -> None:
    """What an account takes in one process is missing in the other."""
    memory, clock = new_memory(), Clock()
    policies = [Policy("orders", 3, 1)]
    one, other = (RateLimits(policies, Buckets(memory), clock) for _ in range(2))
    one.take("orders", "a")
    other.take("orders", "a")
    assert one.take("orders", "a").remaining == 0
    for limits in (one, other):
        with pytest.raises(Problem):
            limits.take("orders", "a")
    assert other.read("orders", "b").remaining == 3


def test_processes_take_no_token_twice() -> None:
    """Two processes that take as fast as they can get together exactly what there is."""
    memory = new_memory()
    script = (
        "import sys; from api.errors import Problem\n"
        "from api.rate_limits import Buckets, Policy, RateLimits\n"
        f"limits = RateLimits([Policy('orders', 4000, 10**6)], Buckets({memory}), lambda: 10**18)\n"
        "taken = 0\n"
        "try:\n"
        "    while True: limits.take('orders', 'a'); taken += 1\n"
        "except Problem: print(taken)\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script], pass_fds=[memory], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    assert sum(int(process.communicate()[0]) for process in running) == 4_000
