"""Rate limits: how often an account, or an address, may do a class of things.

Each (class, who) has a bucket of `quantity` tokens that refills evenly over its window. It is kept
as one integer, the time at which the bucket would be full again (the generic cell rate algorithm).
The gateways of one port keep these in memory that they share, so a limit is the same over however
many connections and gateways an account comes. Header fields follow
draft-ietf-httpapi-ratelimit-headers.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import NamedTuple

from api.errors import Problem

# A bucket's place is one of a set of eight, which a hash of its name tells.
SETS = 1 << 14
WAYS = 8
_WAYS = struct.Struct(f"<{2 * WAYS}q")  # the names' hashes, then the times
_ENTRY = struct.Struct("<q")


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


class Buckets:
    """When each bucket will be full (ns, on the clock that all processes have in common).

    A bucket that is full is as good as none, so nothing is ever cleared away: a new bucket takes
    the place of the one of its set that is full, or will be first.
    """

    def __init__(self, descriptor: int) -> None:
        """`descriptor` is that of a memory which others may have, too."""
        os.ftruncate(descriptor, SETS * _WAYS.size)
        self._descriptor = descriptor
        self._memory = mmap.mmap(descriptor, SETS * _WAYS.size)

    @contextmanager
    def bucket(self, name: str, who: str) -> Iterator[Bucket]:
        """One bucket, which no other process changes meanwhile."""
        digest = blake2b(f"{name} {who}".encode(), digest_size=16).digest()
        start = int.from_bytes(digest[:4]) % SETS * _WAYS.size
        # The lock goes with its process; a block that holds it waits for nothing.
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX, _WAYS.size, start)
        try:
            yield Bucket(self._memory, start, _ENTRY.unpack_from(digest, 8)[0])
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, _WAYS.size, start)


class Bucket:
    """A place in the shared memory; `full_at_ns` is 0 where there is no such bucket yet."""

    def __init__(self, memory: mmap.mmap, start: int, name_hash: int) -> None:
        found = _WAYS.unpack_from(memory, start)
        names, times = found[:WAYS], found[WAYS:]
        is_there = name_hash in names
        self._way = names.index(name_hash) if is_there else times.index(min(times))
        self.full_at_ns = times[self._way] if is_there else 0
        self._memory, self._start, self._name_hash = memory, start, name_hash

    def fill_at(self, full_at_ns: int) -> None:
        """Write down when it will be full."""
        place = self._start + self._way * _ENTRY.size
        _ENTRY.pack_into(self._memory, place, self._name_hash)
        _ENTRY.pack_into(self._memory, place + WAYS * _ENTRY.size, full_at_ns)


class RateLimits:
    """What each policy leaves to whom."""

    def __init__(
        self,
        policies: Iterable[Policy],
        buckets: Buckets,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.policies = {policy.name: policy for policy in policies}
        self._buckets = buckets
        self._clock_ns = clock_ns

    def take(self, name: str, who: str, tokens: int = 1) -> Reading:
        """Take tokens from the bucket. Raises Problem (too_many_requests), taking none."""
        policy = self.policies[name]
        now_ns = self._clock_ns()
        window_ns = policy.window_seconds * 1_000_000_000
        token_ns = window_ns // policy.quantity
        with self._buckets.bucket(name, who) as bucket:
            full_at_ns = max(bucket.full_at_ns, now_ns) + tokens * token_ns
            wait_ns = full_at_ns - window_ns - now_ns
            if wait_ns <= 0:
                bucket.fill_at(full_at_ns)
        if wait_ns > 0:
            raise Problem(
                "too_many_requests",
                f"No more than {policy.quantity} in {policy.window_seconds} s ({name}).",
                limit=policy.quantity,
                retry_after_ms=-(-wait_ns // 1_000_000),
            )
        return self._reading(policy, full_at_ns, now_ns)

    def read(self, name: str, who: str) -> Reading:
        """What is left, taking nothing."""
        with self._buckets.bucket(name, who) as bucket:
            full_at_ns = bucket.full_at_ns
        return self._reading(self.policies[name], full_at_ns, self._clock_ns())

    @staticmethod
    def _reading(policy: Policy, full_at_ns: int, now_ns: int) -> Reading:
        window_ns = policy.window_seconds * 1_000_000_000
        used_ns = max(full_at_ns - now_ns, 0)
        remaining = (window_ns - used_ns) // (window_ns // policy.quantity)
        return Reading(policy, remaining, -(-used_ns // 1_000_000_000))
