"""The frame around all pages: signing in and out, language, theme, navigation by role."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def test_a_demo_user_signs_in_with_one_click_and_out_again(reader):
    """The demo says that it is one; roles decide what the navigation shows."""
    page = (window := await reader()).page
    await window.open("sign-in")
    await expect(page.get_by_role("note")).to_contain_text("This is a demo")
    navigation = page.get_by_role("navigation", name="Pages")
    await expect(navigation.get_by_role("link", name="Market maker")).to_have_count(0)
    await page.get_by_role("button", name="Market maker").click()
    await expect(navigation.get_by_role("link", name="Market maker")).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("maker", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("link", name="Sign in")).to_be_visible()


async def test_a_wrong_password_is_said_in_the_readers_language(reader):
    """The refusal is the server's own sentence."""
    page = (window := await reader(language="zh")).page
    await window.open("sign-in")
    await page.get_by_label("用户名").fill("enterprise")
    await page.get_by_label("密码").fill("wrong")
    await page.get_by_role("button", name="登录").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    # The browser itself reports every answer of 401.
    assert all("401" in problem for problem in window.problems)
    window.problems.clear()


async def test_a_page_that_needs_it_asks_to_sign_in_and_then_opens(reader):
    """The address stays, so a link that was sent around leads where it should."""
    page = (window := await reader()).page
    await window.open("quotes")
    await page.get_by_role("button", name="Market maker").click()
    current = page.get_by_role("navigation", name="Pages").locator("[aria-current]")
    await expect(current).to_have_text("Market maker")
    assert page.url.endswith("#/quotes")


async def test_language_and_theme_are_remembered(reader):
    """Both switches outlive a reload."""
    page = (window := await reader()).page
    await window.open("sign-in")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(ground)
    await page.get_by_role("button", name="中文").click()
    await page.get_by_role("button", name="深色").click()
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("lang", "zh")
    await expect(page.get_by_role("heading", name="登录")).to_be_visible()
    assert await page.evaluate(ground) != light


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_everything_is_named_and_legible(reader, language):
    """The frame itself keeps what every page has to."""
    window = await reader(language=language)
    await window.open("sign-in")
    await expect(window.page.locator("form")).to_be_visible()
    await window.is_accessible()
