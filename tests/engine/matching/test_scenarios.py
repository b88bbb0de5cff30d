"""The rules of docs/protocol.md as scenarios in plain text, played on both engines."""

from collections.abc import Callable
from pathlib import Path

import pytest
from engine_driver import AnyEngine
from engine_scenarios import Scenario, read_scenarios, run_scenario

from engine.matching.reference import ReferenceEngine
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


SMALL = """
scenario One trade
  B sell 1 @ 100.00
  A buy 1 @ 100.00
      accepted A1
      {event}
  {statement}
"""


@pytest.mark.parametrize(
    ("event", "statement", "complaint"),
    [
        ("trade 2 @ 100.00 with B1", "asks none", r"x.txt:4: A buy 1.*\n.*\n.*trade 1 @ 100"),
        ("", "asks none", "x.txt:4: A buy 1"),
        ("trade 1 @ 100.00 with B1", "A cash 1.00 available", "x.txt:7.*\nis: A cash 999900.00"),
        ("trade 1 @ 100.00 with B1", "Z open", None),
        ("trade 1 @ 100.00 with B1", "A open", "CONFLICT"),
    ],
)
def test_a_wrong_expectation_is_found(
    tmp_path: Path, event: str, statement: str, complaint: str | None
) -> None:
    """A scenario fails where it differs from what happens, and names the line."""
    path = tmp_path / "x.txt"
    path.write_text(SMALL.format(event=event, statement=statement), encoding="utf-8")
    (scenario,) = read_scenarios(path)
    if complaint is None:
        run_scenario(scenario, ReferenceEngine)
    else:
        with pytest.raises(AssertionError, match=complaint):
            run_scenario(scenario, ReferenceEngine)
