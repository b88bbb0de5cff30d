"""Offsetting without a word of trading: by the tonne and for an event, to the certificate."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def offer(exchange, price, quantity):
    """The maker offers credits."""
    body = {
        "client_order_id": f"offer-{price}",
        "symbol": "GD-PHCER",
        "side": "sell",
        "type": "limit",
        "price": price,
        "quantity": quantity,
    }
    answer = await exchange.client("maker").post("/v1/orders", json=body)
    assert answer.status_code == 201, answer.text


async def settle(exchange):
    """End the trading day."""
    operator = exchange.client("operator")
    found = (await exchange.public.get("/v1/instruments")).json()["items"][0]
    answer = await operator.post("/v1/operator/settlements", json={"date": found["trading_day"]})
    assert answer.status_code == 202


async def test_by_the_tonne_from_the_offer_to_the_certificate(reader, exchange):
    """All of it at the best price; delivered by the settlement; retired; the certificate kept."""
    await offer(exchange, "50.10", "6")
    await offer(exchange, "50.20", "100")
    page = (window := await reader("enterprise")).page
    await window.open("offset")
    await page.get_by_role("link", name="By the tonne").click()
    # 6 t at 50.10 and 4 t at 50.20.
    await expect(page.get_by_text("50.14")).to_be_visible()
    await window.is_accessible()
    await page.get_by_role("button", name="Buy 10 t of GD-PHCER").click()
    await expect(page.get_by_role("status")).to_contain_text("10 t of GD-PHCER are yours")
    await page.get_by_role("link", name="To what you have").click()
    row = page.get_by_role("row", name="GD-PHCER")
    retire = row.get_by_role("button", name="Retire…")
    await expect(retire).to_be_disabled()
    await settle(exchange)
    await retire.click(timeout=20_000)
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("For whom").fill("Our spring fair")
    await dialog.get_by_label("What for").fill("Fair of 2026")
    await dialog.get_by_role("button", name="Retire for good").click()
    await expect(dialog.get_by_role("status")).to_be_visible()
    async with page.expect_download() as download:
        await dialog.get_by_role("button", name="Download (PDF)").click()
    assert re.fullmatch(r"PH-.*\.pdf", (await download.value).suggested_filename)
    await dialog.get_by_role("button", name="Close").click()
    await expect(page.get_by_role("region", name="Your certificates").first).to_contain_text(
        "spring fair"
    )
    await window.is_accessible()


async def test_an_event_is_made_neutral(reader, exchange):
    """In Chinese: activity data, emissions, purchase, settlement, and the certificate comes."""
    await offer(exchange, "50.30", "100")
    page = (window := await reader("organiser", "zh")).page
    await window.open("offset/event")
    await page.get_by_label("名称").fill("春季论坛")
    await page.get_by_label("类型").select_option("forum")
    await page.get_by_label("参与人数").fill("300")
    await page.get_by_label("开始时间").fill("2026-11-01T09:00")
    await page.get_by_label("结束时间").fill("2026-11-01T17:00")
    await page.get_by_label("数量").fill("12000")
    await page.get_by_role("button", name="增加一行").click()
    await page.get_by_role("combobox", name="活动数据").nth(1).select_option("hotel")
    await page.get_by_label("数量").nth(1).fill("40")
    await window.is_accessible()
    await page.get_by_role("button", name="核算排放").click()
    await expect(page.get_by_role("heading", name="春季论坛")).to_be_visible()
    await window.is_accessible()
    await page.get_by_role("button", name=re.compile("购买.*吨并抵消")).click()
    await expect(page.get_by_text("正在购买")).to_be_visible()
    await settle(exchange)
    await expect(page.get_by_text("已实现碳中和")).to_be_visible(timeout=20_000)
    await expect(page.get_by_role("button", name="下载（PDF）")).to_be_visible()
    await page.get_by_role("link", name="活动公开页面").click()
    await expect(page.get_by_role("region", name="实际排放")).to_contain_text("6,367.2")
