"""Results carry the machine and how busy it was, before the run and after it."""

from __future__ import annotations

from typing import Any

from benchmarks.measure import describe_load, describe_machine

# Taken when the session begins: the hooks below are called when it ends.
_AT_START = describe_load()


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Adds what pytest-benchmark does not say of the machine."""
    machine_info.update(describe_machine())


def pytest_benchmark_update_json(output_json: dict[str, Any]) -> None:
    """Adds the load around the run."""
    output_json["at_start"] = _AT_START
    output_json["at_end"] = describe_load()
