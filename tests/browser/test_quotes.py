"""Market maker: a quote is set, counts for the obligation, is withdrawn, and everything stops."""

from __future__ import annotations

import pytest
import pytest_asyncio
from playwright.async_api import expect
from stream_driver import SYMBOL, order

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module")
async def nothing_open(exchange):
    await exchange.client("maker").delete("/v1/orders")


async def open_orders(exchange) -> list[tuple[str, str, str]]:
    answer = await exchange.client("maker").get("/v1/orders?status=open")
    items = answer.json()["items"]
    return sorted((one["symbol"], one["side"], one["price"]) for one in items)


async def set_quote(page, half_spread: str) -> None:
    """Through the dialog, around the reference price."""
    await page.get_by_role("button", name=f"Quote in {SYMBOL}").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Middle", exact=True).fill("50.00")
    await dialog.get_by_label("Half the spread", exact=True).fill(half_spread)
    await dialog.get_by_role("button", name="Fill in").click()


async def test_a_quote_is_judged_set_measured_and_withdrawn(nothing_open, exchange, reader):
    """The page says beforehand whether it counts; the exchange then measures it."""
    page = (window := await reader("maker")).page
    await window.open("quotes")
    await set_quote(page, "2.00")
    verdict = page.get_by_test_id("verdict")
    await expect(verdict).to_contain_text("does not count")
    await page.get_by_label("Half the spread", exact=True).fill("0.05")
    await page.get_by_role("button", name="Fill in").click()
    await expect(verdict).to_contain_text("counts for the obligation: spread 0.10")
    await page.get_by_role("button", name="Set quote").click()
    row = page.get_by_role("row", name=SYMBOL).first
    await expect(row).to_contain_text("49.95 × ")
    await expect(row).to_contain_text("50.05 × ")
    assert await open_orders(exchange) == [(SYMBOL, "buy", "49.95"), (SYMBOL, "sell", "50.05")]
    figures = page.get_by_role("region", name="Obligations").get_by_role("row", name=SYMBOL)
    await expect(figures).to_contain_text("%", timeout=10_000)
    await window.is_accessible()
    await row.get_by_role("button", name="Withdraw").click()
    await expect(row).not_to_contain_text("49.95")
    assert await open_orders(exchange) == []


async def test_quotes_go_with_the_page_unless_told_otherwise(nothing_open, exchange, reader):
    """Closing the page withdraws its quotes; one that was set to stay, stays."""
    for is_staying, left in ((False, 0), (True, 2)):
        page = (window := await reader("maker")).page
        await window.open("quotes")
        if is_staying:
            await page.get_by_label("Withdraw quotes when this page closes").uncheck()
        await set_quote(page, "0.05")
        await page.get_by_role("button", name="Set quote").click()
        await expect(page.get_by_role("row", name=SYMBOL).first).to_contain_text("49.95 × ")
        await page.close()
        await expect_open(exchange, left)


async def expect_open(exchange, count: int) -> None:
    """The end of a connection is noticed by the exchange a moment later."""
    core = exchange.gateway.core
    while len(await open_orders(exchange)) != count:
        assert core.connected


async def test_the_kill_switch_cancels_everything_and_locks(nothing_open, exchange, reader):
    """Orders and quotes of all instruments go, and quoting waits to be released, in Chinese too."""
    maker = exchange.client("maker")
    for symbol in (SYMBOL, "XM-CER"):
        body = order(f"kill-{symbol}", symbol=symbol, price="49.00")
        assert (await maker.post("/v1/orders", json=body)).status_code == 201
    page = (window := await reader("maker", "zh")).page
    await window.open("quotes")
    await page.get_by_role("button", name="紧急停止").click()
    await page.get_by_role("button", name="全部撤销").click()
    await expect(page.locator(".toasts")).to_contain_text("2 笔")
    assert await open_orders(exchange) == []
    quote = page.get_by_role("button", name=f"{SYMBOL} 报价")
    await expect(quote).to_be_disabled()
    await page.reload()
    await expect(quote).to_be_disabled()
    await page.get_by_role("button", name="解除锁定").click()
    await expect(quote).to_be_enabled()


async def test_the_dead_mans_switch_is_armed_and_disarmed(nothing_open, reader):
    """The page says when the exchange would cancel."""
    page = (window := await reader("maker")).page
    await window.open("quotes")
    await page.get_by_label("Cancel after").select_option("60")
    await expect(page.get_by_text("Armed: cancels at")).to_be_visible()
    await page.get_by_label("Cancel after").select_option("0")
    await expect(page.get_by_text("Armed: cancels at")).to_have_count(0)
