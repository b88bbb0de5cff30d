"""The operators' desk: halts, accounts and the kill switch, the end of the day, the audit log."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def test_an_instrument_is_halted_for_a_reason_and_resumed(reader):
    """The dialog says what will happen; the reason is shown; an empty one is refused in words."""
    page = (window := await reader("operator")).page
    await window.open("operator/market")
    row = page.get_by_role("row", name="XM-CER")
    await row.get_by_role("button", name="Halt…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Open orders stay, and may be cancelled.")
    await dialog.get_by_label("Reason").fill("Under review")
    await dialog.get_by_role("button", name="Halt trading").click()
    await expect(row).to_contain_text("Under review")
    await expect(row).to_contain_text("Halted")
    await row.get_by_role("button", name="Resume…").click()
    await dialog.get_by_role("button", name="Resume").click()
    await expect(row).to_contain_text("Continuous")
    await window.is_accessible()


async def test_an_account_is_found_paid_and_taken_out_of_the_market(reader, exchange):
    """In Chinese: search, deposit, kill switch, and back again."""
    page = (window := await reader("operator", "zh")).page
    await window.open("operator/accounts")
    await page.get_by_label("按代码、名称或用户搜索").fill("enterpr")
    await page.get_by_role("button", name="搜索").click()
    await page.get_by_role("link", name="enterprise").click()
    await expect(page.get_by_role("heading", name="enterprise")).to_be_visible()
    await page.get_by_label("金额（元）", exact=True).fill("12.50")
    await page.get_by_role("button", name="记账").click()
    await expect(page.get_by_text("入金12.50元已入账。")).to_be_visible()
    await expect(page.get_by_text("10,000,012.50")).to_be_visible()
    await page.get_by_role("button", name="紧急停止…").click()
    await page.get_by_role("dialog").get_by_role("button", name="紧急停止").click()
    await expect(page.get_by_text("已禁止交易")).to_be_visible()
    await page.get_by_role("button", name="恢复交易…").click()
    await page.get_by_role("dialog").get_by_role("button", name="恢复交易").click()
    await expect(page.get_by_text("正常", exact=True)).to_be_visible()
    await window.is_accessible()
    await window.open("operator/audit")
    await expect(page.get_by_role("row", name="account blocked")).to_contain_text("enterprise")
    await window.is_accessible()


async def test_a_day_off_is_proposed(reader):
    """The calendar's rules are changed from the page; whether it waits is up to the exchange."""
    page = (window := await reader("operator")).page
    await window.open("operator/calendar")
    await page.get_by_label("Date").fill("2027-02-08")
    await page.get_by_label("Why, shown to everybody").fill("Spring Festival")
    await page.get_by_role("button", name="Propose").click()
    change = page.get_by_role("row", name="Calendar, 2027-02-08")
    await expect(change).to_contain_text("Spring Festival")
    await window.is_accessible()
    await window.open("operator/approvals")
    await expect(page.get_by_role("heading", name="Money in and out, waiting")).to_be_visible()
    await window.is_accessible()


async def test_the_day_is_ended_and_compared(reader):
    """Begun with one confirmation, watched until it is done; all balances agree afterwards."""
    page = (window := await reader("operator")).page
    await window.open("operator/settlement")
    await page.get_by_role("button", name=re.compile(r"Settle \d{4}-\d\d-\d\d…")).click()
    await page.get_by_role("dialog").get_by_role("button", name="End the day").click()
    await expect(page.get_by_text("Completed").first).to_be_visible()
    await expect(page.get_by_role("region", name="Closing prices")).to_contain_text("GD-PHCER")
    await page.get_by_role("button", name="Compare now").click()
    await expect(page.get_by_text(re.compile(r"All \d+ balances agree"))).to_be_visible()
    await window.is_accessible()


async def test_others_have_no_desk(reader):
    """A trader does not see the page in the navigation, and is told so at its address."""
    page = (window := await reader("enterprise")).page
    await window.open("operator/market")
    await expect(page.get_by_text("This page is for accounts with other roles.")).to_be_visible()
    await expect(page.get_by_role("link", name="Operator")).to_have_count(0)
