"""A reader in a browser: pages opened as some user, in some language, and what any page must be."""

from __future__ import annotations

import json
from typing import NamedTuple
from urllib.parse import urlsplit

from exchange_driver import PASSWORD, Exchange
from playwright.async_api import Browser, BrowserContext, Page

# The lowest contrast ratio (WCAG) of any text to the nearest opaque background behind it. A colour
# that CSS mixes is read back through a canvas, which knows every notation.
_LOWEST_CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const channels = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (color) => {
    const [red, green, blue] = channels(color).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (channels(color)[3] === 255) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = [...document.querySelectorAll("body *")].filter((each) =>
    each.checkVisibility() && !each.closest(":disabled") && [...each.childNodes].some(
      (node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim()));
  const ratios = texts
    .map((each) => [luminance(getComputedStyle(each).color), luminance(ground(each)), each])
    .map(([one, other, each]) => [
      (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05),
      each.outerHTML.slice(0, 120),
    ]);
  return ratios.reduce((worst, each) => (each[0] < worst[0] ? each : worst), [21, ""]);
}"""

# Controls and landmarks without a name, and inputs without a label.
_NAMELESS = """() => [
  ...document.querySelectorAll("a, button, nav, section, input, select, dialog"),
].filter((each) => each.checkVisibility() && !(each.textContent.trim() || each.ariaLabel
    || each.labels?.length || each.getAttribute("aria-labelledby")
    || each.querySelector("img[alt]")))
  .map((each) => each.outerHTML.slice(0, 120))"""

# What a screenshot would show to be broken: panels over each other, words that are cut off, a page
# that is wider than its window.
_BROKEN_LAYOUT = """() => {
  const seen = (selector) =>
    [...document.querySelectorAll(selector)].filter((each) => each.checkVisibility());
  const name = (each) => each.outerHTML.slice(0, 120);
  const found = [];
  if (document.documentElement.scrollWidth > innerWidth) found.push("wider than the window");
  const panels = seen(".panel").map((each) => [each, each.getBoundingClientRect()]);
  for (const [one, left] of panels) for (const [other, right] of panels) {
    const isNested = one.contains(other) || other.contains(one);
    const isApart = left.right <= right.left + 1 || right.right <= left.left + 1
      || left.bottom <= right.top + 1 || right.bottom <= left.top + 1;
    if (!isNested && !isApart) found.push(`overlap: ${name(one)} ${name(other)}`);
  }
  for (const each of seen("button, h1, h2, h3, label, th, .badge, .note")) {
    if (each.clientWidth && each.scrollWidth > each.clientWidth + 1
        && !each.closest(".visually-hidden")) found.push(`cut off: ${name(each)}`);
  }
  return found;
}"""

PHONE = {"width": 390, "height": 844}
TABLET = {"width": 1024, "height": 768}
DESKTOP = {"width": 1440, "height": 900}


class Reader(NamedTuple):
    """One browser window, and what the browser complained of in it."""

    page: Page
    context: BrowserContext
    url: str
    problems: list[str]
    hosts: set[str]

    async def open(self, path: str) -> None:
        """Go to a page by what stands behind "#/" in its address."""
        await self.page.goto(f"{self.url}/#/{path}")

    async def is_accessible(self) -> None:
        """Whatever page it is: everything has a name, contrast is enough in both themes, the layout
        holds on a phone, a tablet and a desk, and no other host was asked."""
        assert await self.page.evaluate(_NAMELESS) == []
        for theme in ("dark", "light"):
            await self.page.emulate_media(color_scheme=theme)
            ratio, where = await self.page.evaluate(_LOWEST_CONTRAST)
            assert ratio >= 4.5, f"{theme}: {where}"
        for size in (PHONE, TABLET, DESKTOP):
            await self.page.set_viewport_size(size)
            assert await self.page.evaluate(_BROKEN_LAYOUT) == [], size
        assert self.hosts <= {urlsplit(self.url).netloc}


async def open_reader(
    browser: Browser, exchange: Exchange, url: str, username: str | None, language: str
) -> Reader:
    """A window of its own, signed in as that user."""
    context = await browser.new_context(
        locale="zh-CN" if language == "zh" else "en-GB", viewport=DESKTOP, reduced_motion="reduce"
    )
    if username is not None:
        body = {"username": username, "password": PASSWORD}
        session = (await exchange.public.post("/v1/sessions", json=body)).text
        stored = f"sessionStorage.setItem('puhui.session', {json.dumps(session)})"
        await context.add_init_script(stored)
    page = await context.new_page()
    reader = Reader(page, context, url, [], set())
    page.on("pageerror", lambda error: reader.problems.append(str(error)))
    page.on(
        "console",
        lambda said: reader.problems.append(said.text) if said.type == "error" else None,
    )
    page.on("request", lambda request: reader.hosts.add(urlsplit(request.url).netloc))
    return reader
