"""Both engines, for tests that hold for either."""

from collections.abc import Callable

import pytest
from engine_driver import AnyEngine

from engine.matching.engine import Engine
from engine.matching.reference import ReferenceEngine
from engine.state import EngineLimits

EngineClass = Callable[[EngineLimits], AnyEngine]


@pytest.fixture(params=[Engine, ReferenceEngine], ids=["compiled", "reference"])
def engine_class(request: pytest.FixtureRequest) -> EngineClass:
    """The class of the engine under test, made with the limits of its pools."""
    engine: EngineClass = request.param
    return engine
