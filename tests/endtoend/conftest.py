"""A whole exchange, with all its processes, for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from serve_driver import RunningExchange


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    """An exchange with the maker's quotes in its books; starting one takes seconds, so it is
    shared, and each test trades for an account of its own."""
    running = RunningExchange(tmp_path_factory.mktemp("exchange"))
    try:
        running.start()
        yield running
    finally:
        running.end()
