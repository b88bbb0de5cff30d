"""Trade: the page shows the exchange's market, places and cancels orders, and heals itself."""

from __future__ import annotations

import itertools
import json
import re

import pytest
import pytest_asyncio
from playwright.async_api import expect
from stream_driver import SYMBOL, order, quote

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

_numbers = itertools.count(1)
WORDS = {
    "en": {"buy": "Buy GD-PHCER", "quantity": "Quantity", "price": "Price", "open": "Open orders"},
    "zh": {"buy": "买入 GD-PHCER", "quantity": "数量", "price": "价格", "open": "当前委托"},
}


async def enter(exchange, username: str, **changes) -> dict:
    """An order over REST, not by the page."""
    body = order(f"browser-{next(_numbers)}", **changes)
    answer = await exchange.client(username).post("/v1/orders", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest_asyncio.fixture(loop_scope="module")
async def quoted(exchange):
    """The maker's quote, and nobody else's orders."""
    for username in ("enterprise", "organiser", "compliance", "maker"):
        await exchange.client(username).delete("/v1/orders")
    answer = await exchange.client("maker").put("/v1/quotes", json=quote(bid="49.90", ask="50.10"))
    assert answer.status_code == 200


async def ladder(page, side: str) -> list[list[str]]:
    """Price, quantity and sum of a side's rows, best first."""
    rows = await page.locator(f"[data-testid=ladder] .{side} tr:not(.blank)").evaluate_all(
        "rows => rows.map(row => [...row.cells].slice(0, 3).map(cell => cell.textContent.trim()))"
    )
    return rows if side == "bids" else rows[::-1]


async def draws(page, side, expected):
    """The ladder comes to show that: orders and the book may be drawn in different frames."""
    for _ in range(300):
        if await ladder(page, side) == expected:
            return
        await page.evaluate("() => new Promise(requestAnimationFrame)")
    assert await ladder(page, side) == expected


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_an_order_is_previewed_placed_filled_and_shown(quoted, exchange, reader, language):
    """The page's main job, in both languages: click a price, see what it costs, buy."""
    words = WORDS[language]
    page = (window := await reader("enterprise", language)).page
    await window.open(f"trade/{SYMBOL}")
    await page.get_by_role("button", name="50.10").click()
    await expect(page.get_by_label(words["price"], exact=True)).to_have_value("50.10")
    await page.get_by_label(words["quantity"], exact=True).fill("1,0")  # commas are let go
    preview = page.get_by_test_id("preview")
    await expect(preview).to_contain_text("501.00")
    await expect(preview).to_contain_text("50.1000")
    await page.get_by_role("button", name=words["buy"]).click()
    await expect(page.locator(".toasts")).to_contain_text("50.10")
    tape = page.get_by_test_id("tape").locator("tbody tr").first
    await expect(tape).to_contain_text("50.10")
    await expect(page.get_by_test_id("last")).to_have_text("50.10")
    await expect(page.get_by_role("tab", name=words["open"])).to_contain_text("(0)")
    fills = (await exchange.client("enterprise").get("/v1/fills")).json()["items"]
    assert (fills[0]["price"], fills[0]["quantity"]) == ("50.10", "10")
    await window.is_accessible()


async def test_the_ladder_follows_groups_and_cancels(quoted, exchange, reader):
    """Others' orders come in, ticks are put together, a click on the own order takes it back."""
    page = (window := await reader("enterprise")).page
    await window.open(f"trade/{SYMBOL}")
    await expect(page.get_by_role("button", name="Use price 49.90")).to_be_visible()
    await enter(exchange, "organiser", price="49.88", quantity="30")
    await enter(exchange, "enterprise", price="49.88", quantity="20")
    own = page.get_by_role("button", name="Cancel: 20 t at 49.88")
    await expect(own).to_contain_text("≤30")
    await draws(page, "bids", [["49.90", "100", "100"], ["49.88", "50", "150"]])
    await draws(page, "asks", [["50.10", "100", "100"]])
    await page.get_by_label("Tick").select_option("0.05")
    await expect(page.get_by_role("button", name="Use price 49.85")).to_be_visible()
    await draws(page, "bids", [["49.90", "100", "100"], ["49.85", "50", "150"]])
    own = page.get_by_role("button", name="Cancel: 20 t at 49.85")
    await own.click()
    await expect(own).to_have_count(0)
    await draws(page, "bids", [["49.90", "100", "100"], ["49.85", "30", "130"]])


async def test_an_order_is_amended_and_all_are_cancelled(quoted, exchange, reader):
    """What the exchange answers stands in the table: the new quantity, then nothing."""
    for price in ("49.70", "49.60"):
        await enter(exchange, "enterprise", price=price)
    page = (window := await reader("enterprise")).page
    await window.open(f"trade/{SYMBOL}")
    await expect(page.get_by_role("tab", name="Open orders (2)")).to_be_visible()
    await page.get_by_role("button", name="Amend", exact=True).first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Quantity", exact=True).fill("4")
    await dialog.get_by_role("button", name="Amend").click()
    await expect(page.get_by_text("its place was kept")).to_be_visible()
    await page.get_by_role("button", name="Cancel all").click()
    await dialog.get_by_role("button", name="Cancel all").click()
    await expect(page.get_by_role("tab", name="Open orders (0)")).to_be_visible()
    items = (await exchange.client("enterprise").get("/v1/orders?limit=2")).json()["items"]
    assert sorted((one["status"], one["quantity"]) for one in items) == [
        ("cancelled", "10"),
        ("cancelled", "4"),
    ]


async def test_a_covered_firm_sees_its_headroom(quoted, reader):
    """For compliance the preview tells how much the cap leaves."""
    page = (window := await reader("compliance")).page
    await window.open(f"trade/{SYMBOL}")
    await page.get_by_label("Purpose").select_option("demo")
    await page.get_by_label("Price", exact=True).fill("50.00")
    await page.get_by_label("Quantity", exact=True).fill("10")
    preview = page.get_by_test_id("preview")
    await expect(preview.locator("div", has_text="Cap headroom")).to_contain_text("5,000")
    await expect(preview.locator("div", has_text="Trades at once")).to_contain_text("rests")


async def test_refusals_stand_where_they_belong(quoted, reader):
    """A price off the tick is told at the price, in the server's words, before it is sent."""
    page = (window := await reader("enterprise")).page
    await window.open(f"trade/{SYMBOL}")
    await page.get_by_label("Price", exact=True).fill("50.105")
    await page.get_by_label("Quantity", exact=True).fill("1")
    await expect(page.locator(".ticket .field .error")).to_contain_text("tick")
    await page.get_by_label("Price", exact=True).fill("50.00")
    await page.get_by_label("Quantity", exact=True).fill("1000000")
    await expect(
        page.locator(".ticket [role=alert], .ticket .note, .ticket .error")
    ).to_be_visible()
    window.problems.clear()  # the browser reports the refused previews


async def test_a_gap_is_seen_and_healed(quoted, exchange, reader):
    """When a message is lost on the way, the page notices, says so, and is right again."""
    page = (window := await reader("enterprise")).page
    lost: list[int] = []

    def relay(socket) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda message: hold(message) or socket.send(message))

    def hold(message: str) -> bool:
        push = json.loads(message)
        is_lost = push.get("channel") == "book" and push["type"] == "delta" and not lost
        if is_lost:
            lost.append(push["sequence"])
        return is_lost

    await page.route_web_socket(re.compile("/v1/stream$"), relay)
    await window.open(f"trade/{SYMBOL}")
    await expect(page.get_by_role("button", name="Use price 49.90")).to_be_visible()
    for price in ("49.50", "49.40"):
        await enter(exchange, "organiser", price=price)
    await expect(page.get_by_test_id("connection")).to_contain_text("Gaps healed: 1")
    assert len(lost) == 1
    prices = [row[0] for row in await ladder(page, "bids")]
    assert prices == ["49.90", "49.50", "49.40"]
    await expect(page.get_by_test_id("book-state")).to_contain_text("checksum agrees")


async def test_a_lost_connection_comes_back(quoted, exchange, reader):
    """The page says that it is not current, connects again, and knows what it missed."""
    page = (window := await reader("enterprise")).page
    sockets = []

    def relay(socket) -> None:
        sockets.append(socket)
        server = socket.connect_to_server()
        server.on_message(socket.send)

    await page.route_web_socket(re.compile("/v1/stream$"), relay)
    await window.open(f"trade/{SYMBOL}")
    await expect(page.get_by_test_id("connection")).to_have_text("Live")
    await expect(page.get_by_role("button", name="Use price 49.90")).to_be_visible()
    await sockets[0].close(code=1012, reason="server_shutdown")
    await expect(page.get_by_test_id("book-state")).to_contain_text("Not current")
    await enter(exchange, "enterprise", price="49.30", quantity="7")
    await expect(page.get_by_role("button", name="Cancel: 7 t at 49.30")).to_be_visible()
    await expect(page.get_by_test_id("connection")).to_have_text("Live")


async def test_the_auction_shows_what_it_would_come_to(exchange, reader, quoted):
    """In a call auction the middle of the ladder is the indicative price."""
    operator = exchange.client("operator")
    session = {"symbol": "WH-CER", "phase": "call_auction"}
    assert (await operator.post("/v1/operator/sessions", json=session)).status_code == 200
    await enter(exchange, "enterprise", symbol="WH-CER", price="50.20", quantity="30")
    await enter(exchange, "maker", symbol="WH-CER", side="sell", price="50.00", quantity="20")
    page = (window := await reader()).page
    await window.open("trade/WH-CER")
    middle = page.get_by_test_id("ladder").locator(".indicative")
    await expect(middle).to_contain_text("Indicative price: 50.")
    await expect(middle).to_contain_text("20 t would trade; surplus 10 t")


async def test_a_halt_is_told_at_once(quoted, exchange, reader):
    """An operator's halt reaches every page, with his reason, whatever instrument it shows."""
    page = (window := await reader(language="zh")).page
    await window.open(f"trade/{SYMBOL}")
    await expect(page.get_by_test_id("connection")).to_have_text("实时")
    operator = exchange.client("operator")
    halt = {"symbol": "XM-CER", "phase": "halted", "reason": "registry is down"}
    assert (await operator.post("/v1/operator/sessions", json=halt)).status_code == 200
    await expect(page.locator(".toasts")).to_contain_text("XM-CER：已停牌。registry is down")


async def test_the_charts_are_drawn(quoted, exchange, reader):
    """Candles come with the first tab, the depth with the second; both draw on a canvas."""
    page = (window := await reader()).page
    await window.open(f"trade/{SYMBOL}")
    await expect(page.locator(".chart canvas").first).to_be_visible()
    await page.get_by_role("tab", name="Depth").click()
    await expect(page.locator(".chart .uplot canvas")).to_be_visible()
    for theme in ("Dark", "Light"):
        await page.get_by_role("button", name=f"{theme} colours").click()
        await expect(page.locator(".chart .uplot canvas")).to_have_count(1)


async def test_a_hundred_changes_a_second_are_all_followed(quoted, exchange, reader):
    """No sequence is lost while orders come and go, and the page draws once a frame at most.

    (benchmarks/bench_pages.py does it for longer, and measures.)
    """
    page = (window := await reader()).page
    await window.open(f"trade/{SYMBOL}")
    await expect(page.get_by_role("button", name="Use price 49.90")).to_be_visible()
    await page.evaluate(_COUNT_DRAWS)
    client = exchange.client("organiser")
    for index in range(90):
        price = f"49.{10 + index * 7 % 70}"
        placed = await enter(exchange, "organiser", price=price, quantity="5")
        if index % 3:
            await client.delete(f"/v1/orders/{placed['order_id']}")
    book = (await exchange.public.get(f"/v1/market/{SYMBOL}/book?depth=11")).json()
    prices = page.locator("[data-testid=ladder] .bids .price")
    await expect(prices).to_have_text([level[0] for level in book["bids"]])
    await expect(page.get_by_test_id("connection")).to_have_text("Live")
    drawn = await page.evaluate("window.drawn")
    assert 0 < drawn["most in a frame"] <= 1, drawn


# The line under the ladder tells its sequence, so it changes whenever the book is drawn.
_COUNT_DRAWS = """() => {
  window.drawn = {"most in a frame": 0};
  let inFrame = 0;
  const begin = () => { inFrame = 0; requestAnimationFrame(begin); };
  requestAnimationFrame(begin);
  new MutationObserver(() => {
    inFrame += 1;
    window.drawn["most in a frame"] = Math.max(window.drawn["most in a frame"], inFrame);
  }).observe(document.querySelector("[data-testid=book-state]"), {
    characterData: true, childList: true, subtree: true,
  });
}"""
