"""The page on the real exchange: what it tells its reader to do works, and shows."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture
async def market_url(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a demo exchange, with all its processes, in a fresh folder."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("puhui"),
        *("serve", "--demo", "--data", str(tmp_path), "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = []
    try:
        async for line in process.stdout:
            said.append(line.decode())
            if found := re.search(r"is ready: (\S+)", said[-1]):
                break
        else:
            pytest.fail("the exchange did not start:\n" + "".join(said))
        reading = asyncio.create_task(process.stdout.read())
        yield found[1]
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
    await reading


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_on_the_page_trade_and_the_trade_shows(market_url: str, page: Page):
    """Copied into a shell, they log in, buy from the demo maker and list the fill."""
    await page.goto(market_url)
    await expect(page.locator("#demo")).to_be_visible()
    await expect(page.locator("#instruments button")).to_have_count(3)
    await expect(page.locator("#bids tr")).not_to_have_count(0)
    await expect(page.locator("#asks tr")).not_to_have_count(0)
    await expect(page.locator("#no-trades")).to_be_visible()
    commands = [
        await page.locator(f"#{name}").text_content()
        for name in ("curl-login", "curl-order", "curl-fills")
    ]
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-c", "\n".join(command or "" for command in commands)),
        stdout=asyncio.subprocess.PIPE,
    )
    answers = [json.loads(line) for line in (await shell.communicate())[0].splitlines()]
    order, fills = answers
    assert (order["status"], order["filled_quantity"]) == ("filled", "10")
    assert [fill["order_id"] for fill in fills["items"]] == [order["order_id"]]

    await expect(page.locator("#trades tr")).to_have_count(1)
    shown = await page.locator("#trades td").all_text_contents()
    assert shown[1:] == [order["average_price"], "10", "bought"]
    await expect(page.locator("#last")).to_have_text(order["average_price"])
    await expect(page.locator("#connection-text")).to_have_text("Live")
    await expect(page.locator("#book-state")).to_contain_text("gaps healed: 0")
