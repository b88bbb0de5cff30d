"""What Prometheus is told: the core's figures, asked for at each scrape, and the gateway's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from prometheus_client import REGISTRY, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
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
    registry = CollectorRegistry()
    registry.register(_Figures(exchange, status, checkpoint))
    return generate_latest(REGISTRY) + generate_latest(registry)


class _Figures(Collector):
    """One scrape."""

    def __init__(self, exchange: Gateway, status: np.void | None, checkpoint: int) -> None:
        self._exchange = exchange
        self._status = status
        self._checkpoint = checkpoint

    def collect(self) -> Iterator[GaugeMetricFamily | HistogramMetricFamily]:
        exchange, status = self._exchange, self._status
        yield _gauge("core_up", "1 if the core answers", int(status is not None))
        yield _gauge(
            "gateway_sequence", "Last command that the gateway shows", exchange.live_orders.sequence
        )
        yield _gauge("database_sequence", "Last command in the database", self._checkpoint)
        yield _gauge(
            "intake_pending_events", "Events that wait for the database", exchange.pending_events
        )
        yield _gauge(
            "stream_connections", "Open websocket connections", exchange.streams.connections
        )
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
