"""Token buckets: how many, how soon again, and for whom."""

from __future__ import annotations

import pytest

from api.errors import Problem
from api.rate_limits import BUCKETS_KEPT, Policy, RateLimits

SECOND_NS = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.time_ns = 10**15

    def __call__(self) -> int:
        return self.time_ns


def test_a_bucket_empties_and_refills_evenly() -> None:
    """Ten at once, no eleventh; a tenth of the window later there is one more."""
    clock = Clock()
    limits = RateLimits([Policy("orders", 10, 1)], clock)
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
    limits = RateLimits([Policy("orders", 1, 1), Policy("requests", 1, 1)], Clock())
    for name, who in (("orders", "a"), ("orders", "b"), ("requests", "a")):
        limits.take(name, who)
        with pytest.raises(Problem):
            limits.take(name, who)


def test_many_tokens_are_taken_whole_or_not_at_all() -> None:
    """A refused batch takes nothing."""
    limits = RateLimits([Policy("orders", 10, 1)], Clock())
    limits.take("orders", "a", 8)
    with pytest.raises(Problem):
        limits.take("orders", "a", 3)
    reading = limits.take("orders", "a", 2)
    assert (reading.header, reading.policy.header) == ('"orders";r=0;t=1', '"orders";q=10;w=1')


def test_memory_is_bounded() -> None:
    """Whoever comes with ever new names fills no memory: the oldest bucket is forgotten."""
    limits = RateLimits([Policy("public", 2, 60)], Clock())
    for number in range(BUCKETS_KEPT + 1):
        limits.take("public", str(number))
    assert limits.read("public", "0").remaining == 2
    assert limits.read("public", "1").remaining == 1
