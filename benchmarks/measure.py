"""What every measurement here is stored with: cost per message, percentiles, the machine's load."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

PERCENTILES = {"p50": 50, "p90": 90, "p99": 99, "p99.9": 99.9, "max": 100}
_NS_PER_SECOND = 1_000_000_000


def note_cost(benchmark: BenchmarkFixture, messages: int, unit: str = "message") -> None:
    """Store what one message costs when a round has `messages` of them: median and spread."""
    if benchmark.stats is None:
        return
    stats = benchmark.stats.stats
    for name in ("median", "min", "q1", "q3"):
        cost_ns = getattr(stats, name) / messages * _NS_PER_SECOND
        benchmark.extra_info[f"ns per {unit}, {name}"] = round(cost_ns, 1)


def percentiles(values: np.ndarray) -> dict[str, int]:
    """The percentiles that are always stated; each is a value that occurred, the next one up."""
    ranks = list(PERCENTILES.values())
    found = np.percentile(values, ranks, method="higher")
    return {name: int(value) for name, value in zip(PERCENTILES, found, strict=True)}


def describe_load() -> dict[str, Any]:
    """How busy the machine is with whatever else it does: the load averages of 1, 5, 15 minutes."""
    return {"load_averages": [round(load, 2) for load in os.getloadavg()]}


def describe_machine() -> dict[str, Any]:
    """The processor, the memory, the cores that this process may use and its place among others."""
    cpu_info = Path("/proc/cpuinfo")
    models = [
        line.partition(":")[2].strip()
        for line in (cpu_info.read_text("utf-8").splitlines() if cpu_info.exists() else [])
        if line.startswith("model name")
    ]
    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "niceness": os.getpriority(os.PRIO_PROCESS, 0),
        "memory_gib": round(pages * page_bytes / 2**30),
    }
