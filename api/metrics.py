"""What Prometheus is told: the core's figures, asked for at each scrape, and those of the others.

Under a supervisor all gateways and the back office keep their figures in files of one folder, and
whichever gateway is asked answers for all of them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from api.core_client import CoreError
from engine.status import BUCKET_BOUNDS_NS

if TYPE_CHECKING:
    from api.gateway import Gateway

# A core that is busy for so long is reported as if it were away.
CORE_SECONDS = 2.0
REQUEST_SECONDS = Histogram(
    "puhui_http_request_seconds",
    "From the first byte of a request to the last of its answer",
    ["method", "route"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
# By process id of the gateway.
GATEWAY_SEQUENCE = Gauge(
    "puhui_gateway_sequence",
    "Last command that the gateway shows",
    ["gateway"],
    multiprocess_mode="livesum",
)
STREAM_CONNECTIONS = Gauge(
    "puhui_stream_connections",
    "Open websocket connections",
    ["gateway"],
    multiprocess_mode="livesum",
)
INTAKE_PENDING = Gauge(
    "puhui_intake_pending_events", "Events that wait for the database", multiprocess_mode="livesum"
)
DUTY_FAILURES = Counter(
    "puhui_duty_failures", "Turns of the back office's duties that failed", ["duty"]
)
# The library's own variable.
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_GAUGES = {
    "released_sequence": "Last command whose events have left the core",
    "applied_sequence": "Last command that was matched",
    "snapshot_sequence": "Last command in the newest snapshot",
    "pending_commands": "Commands that wait for a batch",
    "batches_in_flight": "Batches matched and not yet known to be on disk",
    "gateways": "Connections to the core",
    "has_room": "1 unless the disk is full and new orders are refused",
    "snapshots_failed": "Snapshots that could not be made since the core began",
}
_DURATIONS = {
    "matching": "One batch in the engine",
    "syncing": "One write to the journal and its sync",
    "releasing": "From taking a batch until its events leave",
}


async def render(exchange: Gateway) -> bytes:
    """All metrics, in Prometheus' text format. The core's are left out while it is away."""
    status: np.void | None = None
    try:
        async with asyncio.timeout(CORE_SECONDS):
            status = await exchange.core.status()
    except (CoreError, TimeoutError, AttributeError):
        # AttributeError: the gateway has not met its core yet.
        pass
    checkpoint = await asyncio.to_thread(exchange.read_checkpoint)
    note(exchange)
    registry = CollectorRegistry()
    registry.register(_Figures(status, checkpoint))
    if FOLDER_VARIABLE in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
    return generate_latest(REGISTRY) + generate_latest(registry)


def note(exchange: Gateway) -> None:
    """Let the figures of this gateway be what they are now, for whichever is asked."""
    GATEWAY_SEQUENCE.labels(os.getpid()).set(exchange.live_orders.sequence)
    STREAM_CONNECTIONS.labels(os.getpid()).set(exchange.streams.connections)


class _Figures(Collector):
    """One scrape."""

    def __init__(self, status: np.void | None, checkpoint: int) -> None:
        self._status = status
        self._checkpoint = checkpoint

    def collect(self) -> Iterator[GaugeMetricFamily | HistogramMetricFamily]:
        status = self._status
        yield _gauge("core_up", "1 if the core answers", int(status is not None))
        yield _gauge("database_sequence", "Last command in the database", self._checkpoint)
        if status is not None:
            for name, what in _GAUGES.items():
                yield _gauge(f"core_{name}", what, int(status[name]))
            for name, what in _DURATIONS.items():
                yield _histogram(f"core_{name}_seconds", what, status[name])


def _gauge(name: str, what: str, value: int) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"puhui_{name}", what, value=value)


def _histogram(name: str, what: str, durations: np.void) -> HistogramMetricFamily:
    counts = np.cumsum(durations["counts"]).tolist()
    bounds = [str(bound_ns / 1e9) for bound_ns in BUCKET_BOUNDS_NS]
    buckets = list(zip([*bounds, "+Inf"], counts, strict=True))
    total = int(durations["sum_ns"]) / 1e9
    return HistogramMetricFamily(f"puhui_{name}", what, buckets=buckets, sum_value=total)
