"""The page in a real browser, against a scripted exchange."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

pytestmark = pytest.mark.browser

BIDS = [["49.90", "1000", 2], ["49.80", "500", 1]]
ASKS = [["50.10", "800", 1], ["50.20", "1200", 3]]
TICKER = {
    "symbol": "GD-PHCER",
    "sequence": 5,
    "phase": "continuous",
    "trading_day": "2026-11-20",
    "reference_price": "50.00",
    "lower_limit": "45.00",
    "upper_limit": "55.00",
    "bid": "49.90",
    "bid_quantity": "1000",
    "ask": "50.10",
    "ask_quantity": "800",
    "last": "50.10",
    "last_quantity": "10",
    "last_time": "2026-11-20T05:00:00.000000Z",
    "open": "50.00",
    "high": "50.10",
    "low": "50.00",
    "vwap": "50.05",
    "volume": "12345",
    "turnover": "617867.25",
    "trades": 7,
    "change": "0.10",
    "change_percent": "0.20",
}


def trade(trade_id: int, price: str = "50.10", quantity: str = "10", side: str = "buy") -> dict:
    return {
        "trade_id": str(trade_id),
        "symbol": "GD-PHCER",
        "price": price,
        "quantity": quantity,
        "taker_side": side,
        "time": "2026-11-20T05:00:00.000000Z",
    }


async def open_page(page: Page, exchange) -> None:
    """Open the page and give it its first snapshots."""
    await page.goto(exchange.url)
    await exchange.expect("subscribe", "book")
    await exchange.push("ticker", "snapshot", 5, None, TICKER)
    await exchange.push("trades", "snapshot", 7, None, {"items": [trade(7), trade(6, "50.00")]})
    await exchange.push_book("snapshot", 5, None, (BIDS, ASKS))
    await expect(page.locator("#bids tr")).to_have_count(2)


async def cells(page: Page, selector: str) -> list[list[str]]:
    """The texts of a table's rows."""
    return await page.locator(selector).evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )


async def test_snapshots_show_as_book_ticker_tape_and_commands(page, exchange):
    """The first snapshots fill every part of the page, asks above bids with their sums."""
    await open_page(page, exchange)
    assert await cells(page, "#asks tr") == [
        ["50.20", "1,200", "3", "2,000"],
        ["50.10", "800", "1", "800"],
    ]
    assert await cells(page, "#bids tr") == [
        ["49.90", "1,000", "2", "1,000"],
        ["49.80", "500", "1", "1,500"],
    ]
    await expect(page.locator("#spread")).to_have_text("0.20")
    await expect(page.locator("#last")).to_have_text("50.10")
    await expect(page.locator("#change")).to_have_text("+0.10 (+0.20 %)")
    await expect(page.locator("#turnover")).to_have_text("617,867.25")
    await expect(page.locator("#phase")).to_have_text("Continuous trading")
    await expect(page.locator("#trades tr")).to_have_count(2)
    await expect(page.locator("#connection-text")).to_have_text("Live")
    await expect(page.locator("#demo")).to_be_visible()
    await expect(page.locator("#curl-order")).to_contain_text('"symbol":"GD-PHCER"')
    await expect(page.locator("#curl-login")).to_contain_text(f"{exchange.url}v1/sessions")


async def test_messages_after_the_snapshot_change_what_is_shown(page, exchange):
    """A delta changes, adds and removes levels; a trade comes first on the tape."""
    await open_page(page, exchange)
    after = ([["49.95", "7", 1], ["49.90", "900", 2]], ASKS)
    changes = [["49.80", "0", 0], ["49.90", "900", 2], ["49.95", "7", 1]]
    await exchange.push_book("delta", 9, 5, (changes, []), book=after)
    await exchange.push("trades", "event", 8, 7, trade(8, "49.95", "3", "sell"))
    await expect(page.locator("#trades tr")).to_have_count(3)
    assert [row[0] for row in await cells(page, "#bids tr")] == ["49.95", "49.90"]
    assert (await cells(page, "#trades tr"))[0][1:] == ["49.95", "3", "sold"]
    await expect(page.locator("#book-state")).to_contain_text("Sequence 9")


@pytest.mark.parametrize(
    ("sequence", "previous", "wrong_checksum"),
    [(9, 8, False), (9, 5, True)],
    ids=["a message is missing", "the checksum disagrees"],
)
async def test_a_gap_is_seen_and_healed(page, exchange, sequence, previous, wrong_checksum):
    """A broken chain or checksum is shown, and a new snapshot asked for, which mends it."""
    await open_page(page, exchange)
    after = ([], []) if wrong_checksum else ([["49.80", "500", 1]], ASKS)
    await exchange.push_book("delta", sequence, previous, ([["49.90", "0", 0]], []), book=after)
    await exchange.expect("resync", "book")
    await expect(page.locator("#connection-text")).to_have_text(
        "Gap found, fetching a new snapshot"
    )
    await exchange.push_book("snapshot", 12, None, ([["49.70", "1", 1]], ASKS))
    await expect(page.locator("#connection-text")).to_have_text("Live")
    await expect(page.locator("#book-state")).to_contain_text("gaps healed: 1")
    assert [row[0] for row in await cells(page, "#bids tr")] == ["49.70"]


async def test_a_lost_connection_comes_back(page, exchange):
    """When the server hangs up, the page says so, connects again and subscribes again."""
    await open_page(page, exchange)
    for connection in list(exchange.connections):
        await connection.close(1012, "server_shutdown")
    await expect(page.locator("#connection")).to_have_attribute("data-state", "offline")
    await expect(page.locator("#book-state")).to_contain_text("Not current")
    await exchange.expect("subscribe", "book")
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    await exchange.push_book("snapshot", 30, None, ([["49.60", "4", 1]], []))
    await expect(page.locator("#bids tr")).to_have_count(1)
    await expect(page.locator("#spread")).to_have_text("–")


async def test_another_instrument_has_its_own_book(page, exchange):
    """Choosing a tab leaves the old channels and asks for the new instrument's."""
    await open_page(page, exchange)
    await page.get_by_role("button", name="XM-CER").click()
    left = await exchange.expect("unsubscribe", "book")
    assert {each["symbol"] for each in left["params"]["channels"]} == {"GD-PHCER"}
    taken = await exchange.expect("subscribe", "book")
    assert {each["symbol"] for each in taken["params"]["channels"]} == {"XM-CER"}
    await expect(page.locator("#bids tr")).to_have_count(0)
    await expect(page.locator("#symbol")).to_have_text("XM-CER")


async def test_the_page_speaks_chinese_and_remembers_it(page, exchange):
    """The switch turns every text and the document's language, for the next visit too."""
    await open_page(page, exchange)
    await page.get_by_role("button", name="中文").click()
    await expect(page.locator("html")).to_have_attribute("lang", "zh")
    await expect(page.locator("#book-title")).to_have_text("委托盘口")
    await expect(page.locator("#phase")).to_have_text("连续交易")
    untranslated = await page.locator("[data-text]").evaluate_all(
        "elements => elements.filter(each => each.textContent === each.dataset.text)"
        ".map(each => each.dataset.text)"
    )
    assert untranslated == []
    await page.reload()
    await exchange.expect("subscribe", "book")
    await expect(page.locator("html")).to_have_attribute("lang", "zh")


async def test_the_theme_can_be_chosen(page, exchange):
    """On a light system the switch makes the page dark, then light again."""
    await open_page(page, exchange)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(ground)
    await page.locator("#theme").click()
    dark = await page.evaluate(ground)
    assert dark != light
    await page.locator("#theme").click()
    assert await page.evaluate(ground) == light


async def test_the_page_fits_a_phone(page, exchange):
    """At 360 pixels nothing sticks out sideways, with long numbers too."""
    await page.set_viewport_size({"width": 360, "height": 740})
    await open_page(page, exchange)
    big = ([["49.90", "123456789", 1234]], [["50.10", "987654321", 4321]])
    await exchange.push_book("snapshot", 40, None, big)
    await expect(page.locator("#bids tr")).to_have_count(1)
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360


async def test_everything_is_named_and_nothing_foreign_is_asked(page, exchange):
    """Buttons and landmarks have names, contrast is enough, and no other host is contacted."""
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    await open_page(page, exchange)
    assert hosts == {urlsplit(exchange.url).netloc}
    nameless = await page.locator("button, nav, section, a").evaluate_all(
        "all => all.filter(each => !(each.textContent.trim() || each.ariaLabel)).length"
    )
    assert nameless == 0
    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme=theme)
        assert await page.evaluate(_LOWEST_CONTRAST) >= 4.5


# The lowest contrast ratio (WCAG) of any text to the nearest opaque background behind it.
_LOWEST_CONTRAST = """() => {
  const channels = (color) => color.match(/[0-9.]+/g).map(Number);
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
      if ((channels(color)[3] ?? 1) === 1) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const ratios = [...document.querySelectorAll("body *")]
    .filter((each) => each.checkVisibility() && [...each.childNodes].some(
      (node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim()))
    .map((each) => [luminance(getComputedStyle(each).color), luminance(ground(each))])
    .map(([one, other]) => (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05));
  return Math.min(...ratios);
}"""
