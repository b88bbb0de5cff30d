"""Results carry the machine and how busy it was, before the run and after it."""

from __future__ import annotations

from typing import Any

from benchmarks.measure import describe_load, describe_machine


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Called when the machine is first described, before the first result is stored."""
    machine_info.update(describe_machine())
    machine_info["at_start"] = describe_load()


def pytest_benchmark_update_json(output_json: dict[str, Any]) -> None:
    """Called when everything has been measured."""
    output_json["at_end"] = describe_load()
