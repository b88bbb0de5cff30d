"""What measurements are stored with is what it says it is."""

import os

import numpy as np

from benchmarks.measure import describe_load, describe_machine, percentiles


def test_percentiles_are_values_that_occurred() -> None:
    """Of the numbers 1 to 1000 in any order, and of a single one."""
    values = np.random.default_rng(1).permutation(np.arange(1, 1_001))
    assert percentiles(values) == {"p50": 501, "p90": 901, "p99": 991, "p99.9": 1_000, "max": 1_000}
    assert set(percentiles(np.array([7])).values()) == {7}


def test_the_machine_is_described() -> None:
    """Cores are those that this process may use; there are three load averages."""
    machine = describe_machine()
    assert machine["cores"] == len(os.sched_getaffinity(0))
    assert machine["memory_gib"] >= 1
    assert machine["niceness"] == os.nice(0)
    assert machine["processor"]
    assert len(describe_load()["load_averages"]) == 3
