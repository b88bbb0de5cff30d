"""Rate limits: how often an account, or an address, may do a class of things.

Each (class, who) has a bucket of `quantity` tokens that refills evenly over its window. It is kept
as one integer, the time at which the bucket would be full again (the generic cell rate algorithm).
Header fields follow draft-ietf-httpapi-ratelimit-headers.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from api.errors import Problem

BUCKETS_KEPT = 100_000


class Policy(NamedTuple):
    """`quantity` tokens for each window."""

    name: str
    quantity: int
    window_seconds: int

    @property
    def header(self) -> str:
        return f'"{self.name}";q={self.quantity};w={self.window_seconds}'


class Reading(NamedTuple):
    """What is left of a bucket, for the answer's header fields."""

    policy: Policy
    remaining: int
    full_in_seconds: int

    @property
    def header(self) -> str:
        return f'"{self.policy.name}";r={self.remaining};t={self.full_in_seconds}'


class RateLimits:
    """All buckets of this gateway; the least recently used go first when there are too many."""

    def __init__(
        self, policies: Iterable[Policy], clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.policies = {policy.name: policy for policy in policies}
        self._clock_ns = clock_ns
        self._full_at_ns: OrderedDict[tuple[str, str], int] = OrderedDict()

    def take(self, name: str, who: str, tokens: int = 1) -> Reading:
        """Take tokens from the bucket. Raises Problem (too_many_requests), taking none."""
        policy = self.policies[name]
        now_ns = self._clock_ns()
        window_ns = policy.window_seconds * 1_000_000_000
        token_ns = window_ns // policy.quantity
        key = (name, who)
        full_at_ns = max(self._full_at_ns.get(key, 0), now_ns) + tokens * token_ns
        wait_ns = full_at_ns - window_ns - now_ns
        if wait_ns > 0:
            raise Problem(
                "too_many_requests",
                f"No more than {policy.quantity} in {policy.window_seconds} s ({name}).",
                limit=policy.quantity,
                retry_after_ms=-(-wait_ns // 1_000_000),
            )
        self._full_at_ns[key] = full_at_ns
        self._full_at_ns.move_to_end(key)
        if len(self._full_at_ns) > BUCKETS_KEPT:
            self._full_at_ns.popitem(last=False)
        return self._reading(policy, full_at_ns, now_ns)

    def read(self, name: str, who: str) -> Reading:
        """What is left, taking nothing."""
        return self._reading(
            self.policies[name], self._full_at_ns.get((name, who), 0), self._clock_ns()
        )

    @staticmethod
    def _reading(policy: Policy, full_at_ns: int, now_ns: int) -> Reading:
        window_ns = policy.window_seconds * 1_000_000_000
        used_ns = max(full_at_ns - now_ns, 0)
        remaining = (window_ns - used_ns) // (window_ns // policy.quantity)
        return Reading(policy, remaining, -(-used_ns // 1_000_000_000))
