"""/metrics: the figures of core and gateway, also while the core is away."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from exchange_driver import Exchange, connect, running_core
from prometheus_client.parser import text_string_to_metric_families

from api.app import create_app
from api.settings import Settings
from engine.status import BUCKET_BOUNDS_NS, BUCKETS, Durations


def _values(text: str) -> dict[str, float]:
    """Each sample by its name and labels."""
    return {
        sample.name
        + "".join(
            f"|{label}={value}" for label, value in sorted(sample.labels.items())
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_figures_of_a_running_exchange(exchange: Exchange) -> None:
    """Sequences agree, batches were counted in every step, and routes are named by pattern."""
    client = exchange.client("enterprise")
    await client.get("/v1/orders/client:nobody-has-this-one")
    values = _values((await client.get("/metrics")).text)
    sequence = values["puhui_core_released_sequence"]
    assert sequence > 0
    assert values["puhui_core_applied_sequence"] == sequence
    assert values[f"puhui_gateway_sequence|gateway={os.getpid()}"] == sequence
    assert values["puhui_database_sequence"] <= sequence
    assert (values["puhui_core_up"], values["puhui_core_has_room"]) == (1, 1)
    batches = {values[f"puhui_core_{step}_seconds_count"] for step in ("matching", "releasing")}
    assert len(batches) == 1
    assert values["puhui_core_syncing_seconds_count"] >= batches.pop() > 0
    for step in ("matching", "syncing", "releasing"):
        assert values[f"puhui_core_{step}_seconds_sum"] > 0
    requests = [name for name in values if name.startswith("puhui_http_request_seconds_count")]
    assert any("nobody" not in name and "/orders/{" in name for name in requests), requests
    assert not [name for name in requests if "nobody" in name]


async def test_without_a_core_the_gateway_still_answers(tmp_path: Path) -> None:
    """Whoever watches is told that it is away; health and readiness differ."""
    app = create_app(Settings(data_dir=tmp_path))
    core = running_core(tmp_path)
    await core.__aenter__()
    async with app.router.lifespan_context(app), connect(app) as client:
        assert (await client.get("/readyz")).status_code == 200
        assert _values((await client.get("/metrics")).text)["puhui_core_up"] == 1
        await core.__aexit__(None, None, None)
        while app.state.gateway.core.connected:  # noqa: ASYNC110
            await asyncio.sleep(0)
        values = _values((await client.get("/metrics")).text)
        assert values["puhui_core_up"] == 0
        assert "puhui_core_released_sequence" not in values
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).headers["retry-after"] == "1"


def test_durations_are_counted_by_their_bounds() -> None:
    """A bound belongs to its own bucket; what is longer than all of them to the last."""
    durations = Durations()
    for bound_ns in BUCKET_BOUNDS_NS:
        durations.note(bound_ns)
    for duration_ns in (0, 1, BUCKET_BOUNDS_NS[0] + 1, 1 << 60):
        durations.note(duration_ns)
    expected = [1] * BUCKETS
    expected[0] += 2
    expected[1] += 1
    assert durations.counts == expected
    assert durations.sum_ns == sum(BUCKET_BOUNDS_NS) + BUCKET_BOUNDS_NS[0] + 2 + (1 << 60)
