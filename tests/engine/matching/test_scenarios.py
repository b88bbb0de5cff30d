"""The rules of docs/protocol.md as scenarios in plain text, played on both engines."""

from collections.abc import Callable
from pathlib import Path

import pytest
from engine_driver import AnyEngine
from engine_scenarios import Scenario, read_scenarios, run_scenario

from engine.state import EngineLimits

FILES = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))
SCENARIOS = [
    pytest.param(scenario, id=f"{path.stem}: {scenario.title}")
    for path in FILES
    for scenario in read_scenarios(path)
]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: Scenario, engine_class: Callable[[EngineLimits], AnyEngine]) -> None:
    """Every line gives the events and leaves the state that the text says."""
    run_scenario(scenario, engine_class)
