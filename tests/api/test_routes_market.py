"""What the public sees, and what OpenAPI says of it."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from exchange_driver import Exchange

from api import answers, market_answers
from api.openapi_zh import OPERATIONS_ZH

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/time", answers.Time),
        ("/v1/status", answers.Status),
        ("/v1/instruments", answers.Instruments),
        ("/v1/instruments/GD-PHCER", answers.Instrument),
        ("/v1/market/GD-PHCER/book", answers.Book),
        ("/v1/market/GD-PHCER/trades", market_answers.Trades),
        ("/v1/market/GD-PHCER/ticker", market_answers.Ticker),
        ("/v1/market/GD-PHCER/candles?interval=5m", market_answers.Candles),
    ],
)
async def test_the_market_is_public(shared_exchange: Exchange, path: str, kind: Any) -> None:
    """Everything about the market is answered without credentials, as it is described."""
    answer = await shared_exchange.public.get(path)
    assert answer.status_code == 200
    msgspec.json.decode(answer.content, type=kind)


async def test_an_instrument_tells_its_rules(shared_exchange: Exchange) -> None:
    """Tick, lot, limits, phase, fees and rate limits are those of the demo."""
    found = (await shared_exchange.public.get("/v1/instruments/GD-PHCER")).json()
    expected = {
        "symbol": "GD-PHCER",
        "tick": "0.01",
        "lot": "1",
        "phase": "continuous",
        "reference_price": "50.00",
        "price_limit": "0.1",
        "lower_limit": "45.00",
        "upper_limit": "55.00",
        "resale_lock": True,
    }
    assert {name: found[name] for name in expected} == expected
    assert found["rate_limits"]["orders"] == {"quantity": 1_000, "window_seconds": 1}


async def test_status_is_open_in_the_demo(shared_exchange: Exchange) -> None:
    """The market is open, the engine ready, and the page can tell that it is a demo."""
    found = (await shared_exchange.public.get("/v1/status")).json()
    assert (found["status"], found["engine"], found["demo"]) == ("open", "ready", True)


async def test_pages_load_nothing_from_outside(
    pages_are_built: None, shared_exchange: Exchange
) -> None:
    """The page, its files and the description of the API come from here, with a strict policy."""
    for path, media_type in (
        ("/", "text/html"),
        ("/index.html", "text/html"),
        ("/reference.css", "text/css"),
        ("/docs", "text/html"),
    ):
        answer = await shared_exchange.public.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(media_type)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "http" not in policy
    for path in ("/__init__.py", "/../pyproject.toml", "/%2e%2e/pyproject.toml"):
        assert (await shared_exchange.public.get(path)).status_code == 404


async def test_pages_are_cached_and_sent_compressed(
    pages_are_built: None, shared_exchange: Exchange
) -> None:
    """Files named by their content are kept for ever, the index is asked for again; each goes out
    in the best encoding that the client takes."""
    index = await shared_exchange.public.get("/")
    assert index.headers["cache-control"] == "no-cache"
    again = await shared_exchange.public.get("/", headers={"If-None-Match": index.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    script = re.search(r"assets/[\w.-]+\.js", index.text)
    assert script is not None
    sizes = {}
    for accepted, encoding in (("gzip, br", "br"), ("gzip;q=1, br;q=0", "gzip"), ("", None)):
        answer = await shared_exchange.public.get(
            f"/{script[0]}", headers={"Accept-Encoding": accepted}
        )
        assert answer.headers.get("content-encoding") == encoding
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["vary"] == "Accept-Encoding"
        sizes[encoding] = int(answer.headers["content-length"])
    assert sizes["br"] < sizes["gzip"] < sizes[None]


async def test_openapi_describes_every_route(shared_exchange: Exchange) -> None:
    """Bodies, answers, problems and credentials are in the document, and all references lead
    somewhere."""
    document = (await shared_exchange.public.get("/openapi.json")).json()
    place = document["paths"]["/v1/orders"]["post"]
    schema = place["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/OrderBody"}
    assert place["security"][0] == {"session": []}
    assert place["responses"]["default"] == {"$ref": "#/components/responses/Problem"}
    assert "security" not in document["paths"]["/v1/time"]["get"]
    required = document["components"]["schemas"]["OrderBody"]["required"]
    assert required == ["client_order_id", "symbol", "side", "type", "quantity"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path} has no description"
    for reference in references(document):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


async def test_instruments_come_in_pages(shared_exchange: Exchange) -> None:
    """All at once, or one after the other by cursor."""
    whole = (await shared_exchange.public.get("/v1/instruments")).json()
    found, cursor = [], ""
    while cursor is not None:
        url = f"/v1/instruments?limit=1{f'&cursor={cursor}' if cursor else ''}"
        page = (await shared_exchange.public.get(url)).json()
        found += page["items"]
        cursor = page["next_cursor"]
    assert (found, whole["next_cursor"]) == (whole["items"], None)
    assert len(found) == 3


async def test_the_page_of_the_api_speaks_both_languages(shared_exchange: Exchange) -> None:
    """By the browser's language or by choice; every operation has a Chinese sentence."""
    document = (await shared_exchange.public.get("/openapi.json")).json()
    names = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert sorted(names - OPERATIONS_ZH.keys()) == []
    for headers, query, language, sentence in (
        ({"Accept-Language": "zh-CN,en;q=0.5"}, "", "zh", "试算委托的占用"),
        ({"Accept-Language": "zh-CN"}, "?lang=en", "en", "places nothing"),
        ({}, "?lang=zh", "zh", "试算委托的占用"),
        ({}, "", "en", "places nothing"),
    ):
        answer = await shared_exchange.public.get(f"/docs{query}", headers=headers)
        assert answer.headers["content-language"] == language
        assert sentence in answer.text
        assert "&quot;client_order_id&quot;: &quot;order-1&quot;" in answer.text


def references(part: Any) -> list[str]:
    """All that the document refers to."""
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [name for each in part.values() for name in references(each)]
    if isinstance(part, list):
        return [name for each in part for name in references(each)]
    return []
