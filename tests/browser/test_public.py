"""What everybody may see: the market, the registry, events, and whether a certificate is real."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def retire(exchange):
    """The maker's own credits retired for somebody; gives the certificate."""
    body = {"quantity": "3", "symbol": "GD-PHCER", "beneficiary": "春季论坛", "reason": "event"}
    answer = await exchange.client("maker").post("/v1/registry/retirements", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_the_overview_leads_to_the_market_and_to_everything_public(reader):
    """Each instrument with its prices; the ways on from there."""
    page = (window := await reader()).page
    await window.open("overview")
    card = page.get_by_role("article").filter(has_text="GD-PHCER")
    await expect(card).to_contain_text("50.00")
    await window.is_accessible()
    await page.get_by_role("link", name="Offset rules").click()
    await expect(page.get_by_role("heading", name="Offset rules")).to_be_visible()
    await window.is_accessible()


async def test_a_certificate_is_checked_by_its_number(reader, exchange):
    """A genuine one shows its serial ranges and leads to their issue; an invented one is said to
    be none."""
    certificate = await retire(exchange)
    page = (window := await reader(language="zh")).page
    await window.open("verify")
    await page.get_by_label("证书编号").fill(certificate["certificate_id"])
    await page.get_by_role("button", name="查验").click()
    await expect(page.get_by_role("status")).to_contain_text("证书真实有效")
    await expect(page.get_by_text("春季论坛")).to_be_visible()
    await expect(page.get_by_text(certificate["serials"][0]["end"], exact=True)).to_be_visible()
    await window.is_accessible()
    await page.get_by_role("region", name="序列号").get_by_role("link").click()
    await expect(page.get_by_role("heading", name="当前去向")).to_be_visible()
    await window.is_accessible()
    await window.open("verify/PH-AAAA-AAAA-AAAA-AAAA")
    await expect(page.get_by_role("alert")).to_contain_text("没有此编号的证书")
    # The browser itself reports every answer of 404.
    assert all("404" in problem for problem in window.problems)
    window.problems.clear()


async def test_the_registry_lists_what_was_issued_and_retired(reader, exchange):
    """Issues, projects, methodologies and retirements, each at its own address."""
    certificate = await retire(exchange)
    page = (window := await reader()).page
    await window.open("registry/retirements")
    await expect(page.get_by_role("link", name=certificate["certificate_id"])).to_be_visible()
    await window.is_accessible()
    parts = page.get_by_role("navigation", name="Parts of the registry")
    for part in ("Issues", "Projects", "Methodologies"):
        await parts.get_by_role("link", name=part).click()
        await expect(page.get_by_role("table").get_by_role("row").nth(1)).to_be_visible()
        await window.is_accessible()


async def test_an_events_page(reader, exchange):
    """What an event emitted, by source and factor, and what is missing."""
    body = {
        "name": "Spring forum",
        "category": "forum",
        "attendees": 300,
        "starts_at": "2026-11-01T01:00:00Z",
        "ends_at": "2026-11-01T09:00:00Z",
        "sources": [
            {"source": "electricity", "activity": "grid", "amount": "12000", "unit": "kWh"}
        ],
    }
    organiser = exchange.client("organiser")
    event = (await organiser.post("/v1/events", json=body)).json()["event_id"]
    assert (await organiser.post(f"/v1/events/{event}/publish")).status_code == 200
    page = (window := await reader()).page
    await window.open("events")
    await page.get_by_role("link", name="Spring forum").click()
    await expect(page.get_by_role("region", name="Actual emissions")).to_contain_text("6,367.2")
    await window.is_accessible()
