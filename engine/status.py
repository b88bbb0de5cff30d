"""How the core is doing, as figures: counted by its loop, asked for over the link."""

from __future__ import annotations

import numpy as np

# Upper bounds of the buckets in which durations are counted: 2^14 ns (16 us) to 2^34 ns (17 s).
FIRST_BUCKET_BITS, LAST_BUCKET_BITS = 14, 34
BUCKETS = LAST_BUCKET_BITS - FIRST_BUCKET_BITS + 2  # the last one has no bound
BUCKET_BOUNDS_NS = [1 << bits for bits in range(FIRST_BUCKET_BITS, LAST_BUCKET_BITS + 1)]

DURATIONS = np.dtype([("sum_ns", "<i8"), ("counts", "<i8", BUCKETS)])
STATUS = np.dtype(
    [
        ("released_sequence", "<i8"),  # the last command whose events may leave
        ("applied_sequence", "<i8"),  # the last one that was matched
        ("snapshot_sequence", "<i8"),  # of the newest snapshot; 0: none
        ("pending_commands", "<i8"),  # that wait for a batch
        ("batches_in_flight", "<i8"),  # matched, not yet known to be on disk
        ("gateways", "<i8"),
        ("has_room", "<i8"),  # 0: the disk is full, and no new orders are taken
        ("snapshots_failed", "<i8"),
        ("matching", DURATIONS),  # of a batch, in the engine
        ("syncing", DURATIONS),  # of an entry of the journal: the write and the sync
        ("releasing", DURATIONS),  # from taking a batch until its events leave
    ]
)


class Durations:
    """Counts of durations by their size."""

    def __init__(self) -> None:
        self.sum_ns = 0
        self.counts = [0] * BUCKETS

    def note(self, duration_ns: int) -> None:
        bits = max(duration_ns - 1, 0).bit_length()
        self.sum_ns += duration_ns
        self.counts[min(max(bits - FIRST_BUCKET_BITS, 0), BUCKETS - 1)] += 1

    def row(self) -> tuple[int, list[int]]:
        """As a row of DURATIONS."""
        return self.sum_ns, self.counts


def status_row(figures: dict[str, int], **durations: Durations) -> np.ndarray:
    """One row of STATUS."""
    status = np.zeros(1, STATUS)
    for name, value in figures.items():
        status[name] = value
    for name, counted in durations.items():
        status[name][0] = counted.row()
    return status
