"""A browser, and a real exchange (with the reference engine) that serves the pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from browser_driver import Reader, open_reader
from exchange_driver import Exchange, running_exchange
from playwright.async_api import Browser, async_playwright
from stream_driver import serving

CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

OpenReader = Callable[..., Awaitable[Reader]]


@pytest.fixture(scope="session", autouse=True)
def chromium() -> None:
    """Without a browser all of this is skipped."""
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}: apt-get install chromium fonts-wqy-zenhei")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exchange(
    pages_are_built: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Exchange]:
    """One exchange for all tests of a module."""
    async with running_exchange(tmp_path_factory.mktemp("exchange")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(exchange: Exchange) -> AsyncIterator[str]:
    """Where the exchange serves its pages."""
    async with serving(exchange) as port:
        yield f"http://127.0.0.1:{port}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Debian's browser; playwright's own would have to be fetched from outside."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def reader(browser: Browser, exchange: Exchange, url: str) -> AsyncIterator[OpenReader]:
    """Opens windows: `await reader("enterprise", "zh")`. A test in which the browser reports any
    error fails, unless it empties `problems` itself."""
    readers: list[Reader] = []

    async def open_window(username: str | None = None, language: str = "en") -> Reader:
        readers.append(await open_reader(browser, exchange, url, username, language))
        return readers[-1]

    yield open_window
    found = [problem for each in readers for problem in each.problems]
    for each in readers:
        await each.context.close()
    assert found == []
