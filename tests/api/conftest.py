"""A whole exchange for tests of the API, and client ids for its orders."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import structlog
from exchange_driver import Exchange, running_exchange
from stream_driver import Connect, served


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A command run in this process sends the logs to a stream that is closed after the test."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


@pytest.fixture
async def exchange(tmp_path: Path) -> AsyncIterator[Exchange]:
    """A fresh exchange with the demo's users and instruments, and no orders."""
    async with running_exchange(tmp_path) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_exchange(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Exchange]:
    """One exchange for all tests of a module that leave it as it was."""
    async with running_exchange(tmp_path_factory.mktemp("exchange")) as running:
        yield running


@pytest.fixture
async def stream(exchange: Exchange) -> AsyncIterator[Connect]:
    """Connects to the exchange's stream, as a user if one is named."""
    async with served(exchange) as connected:
        yield connected


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_stream(shared_exchange: Exchange) -> AsyncIterator[Connect]:
    """As `stream`, to the exchange that a module shares."""
    async with served(shared_exchange) as connected:
        yield connected
