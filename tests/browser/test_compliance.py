"""A covered firm: its cap and headroom, what-if, and a surrender, in both languages."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def test_what_if_and_surrender(reader, exchange):
    """What is allowed is said before it is done; too much is refused in words; what was surrendered
    fills the cap and has its certificate."""
    gift = {"to_account": "compliance", "quantity": "5", "kind": "transfer"}
    maker = exchange.client("maker")
    held = (await maker.get("/v1/registry/holdings")).json()["items"]
    batch = next(each["batch_id"] for each in held if each["symbol"] == "GD-PHCER")
    body = {"symbol": "GD-PHCER", "quantity": "5", "batch_id": batch}
    assert (await maker.post("/v1/registry/withdrawals", json=body)).status_code == 201
    answer = await maker.post("/v1/registry/transfers", json=gift | {"batch_id": batch})
    assert answer.status_code == 201, answer.text
    page = (window := await reader("compliance")).page
    await window.open("compliance")
    await expect(page.get_by_role("heading", name="Demo scheme")).to_be_visible()
    await window.is_accessible()
    await page.get_by_label("I would").select_option("surrender")
    quantity = page.get_by_label("Quantity", exact=True)
    await quantity.fill("6")
    await page.get_by_role("button", name="Show what that leaves").click()
    outcome = page.get_by_role("status").filter(has_text="credits")
    await expect(outcome).to_be_visible()
    await expect(page.get_by_text("That is allowed.")).to_have_count(0)
    await quantity.fill("5")
    await page.get_by_role("button", name="Show what that leaves").click()
    await expect(page.get_by_text("That is allowed.")).to_be_visible()
    await window.is_accessible()
    await page.get_by_role("button", name="Surrender 5 t…").click()
    await page.get_by_role("dialog").get_by_role("button", name="Surrender", exact=True).click()
    history = page.get_by_role("region", name="Surrendered so far").first
    await expect(history.get_by_role("button", name="Download (PDF)")).to_be_visible()
    await expect(page.get_by_role("img", name="5 t surrendered")).to_be_visible()


async def test_in_chinese(reader):
    """The same page in the other language: a purchase above the cap is refused in Chinese."""
    page = (window := await reader("compliance", "zh")).page
    await window.open("compliance")
    await page.get_by_label("数量", exact=True).fill("999999")
    await page.get_by_role("button", name="查看结果").click()
    await expect(page.get_by_role("status").filter(has_text="抵销")).to_be_visible()
    await window.is_accessible()
