"""Both engines, for tests that hold for either."""

from collections.abc import Callable

import pytest
from engine_driver import AnyEngine

from engine.matching.reference import ReferenceEngine
from engine.state import EngineLimits

EngineClass = Callable[[EngineLimits], AnyEngine]


@pytest.fixture(params=["compiled", "reference"])
def engine_class(request: pytest.FixtureRequest) -> EngineClass:
    """The class of the engine under test, made with the limits of its pools."""
    if request.param == "reference":
        return ReferenceEngine
    # Imported here, so that tests without an engine do not wait for its compiler.
    from engine.matching.engine import Engine

    return Engine
