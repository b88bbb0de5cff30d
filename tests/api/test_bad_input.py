"""Bad input is refused with the code and field of the public contract, and changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
import pytest_asyncio
from exchange_driver import Exchange

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDER = {
    "client_order_id": "bad-1",
    "symbol": "GD-PHCER",
    "side": "buy",
    "type": "limit",
    "price": "50.00",
    "quantity": "10",
}
MISSING: Any = object()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def quoted(shared_exchange: Exchange) -> Exchange:
    """The exchange with a standing quote of the maker and an open order of the enterprise."""
    quote = {"price": "49.00", "quantity": "100"}, {"price": "51.00", "quantity": "100"}
    body = {"symbol": "GD-PHCER", "bid": quote[0], "ask": quote[1]}
    assert (await shared_exchange.client("maker").put("/v1/quotes", json=body)).status_code == 200
    order = ORDER | {"client_order_id": "standing", "price": "48.00"}
    answer = await shared_exchange.client("enterprise").post("/v1/orders", json=order)
    assert answer.status_code == 201
    return shared_exchange


def text_cases() -> list[tuple[str, Any, str]]:
    """(field, value, code) for texts and types that are wrong whatever the market is like."""
    no_decimals: list[Any] = [
        *("NaN", "Infinity", "-Infinity", "1e400", "1e3", "-0", "-1", "+1", "0", "00", "01"),
        *("1_000", " 1", "1 ", "", ".5", "1.", "0x10", "9" * 5_000, str(2**64), "١٢", "１２"),
        *("1,000", "50.000", "1" + "0" * 17 + ".00x"),
    ]
    cases: list[tuple[str, Any, str]] = [
        *(("quantity", text, "invalid_request") for text in no_decimals),
        *(("price", text, "invalid_request") for text in no_decimals),
        ("quantity", "1.0", "invalid_request"),
        ("quantity", "1.5", "quantity_off_lot"),
        ("quantity", "0.001", "quantity_off_lot"),
        ("quantity", str(2**31), "quantity_too_large"),
        ("quantity", str(2**53 + 1), "quantity_too_large"),
        ("quantity", "100000", "quantity_too_large"),
        ("price", "50.005", "price_off_tick"),
        ("price", "44.99", "price_outside_limits"),
        ("price", "55.01", "price_outside_limits"),
        ("price", str(2**31), "price_outside_limits"),
        ("price", None, "invalid_request"),
        ("price", MISSING, "invalid_request"),
    ]
    for field in ("client_order_id", "symbol", "side", "type", "quantity"):
        cases += [(field, wrong, "invalid_request") for wrong in (MISSING, None, 1, True, [], {})]
    cases += [("price", wrong, "invalid_request") for wrong in (50, 50.5, True, ["50.00"], {})]
    cases += [
        ("symbol", symbol, "unknown_instrument")
        for symbol in (
            *("gd-phcer", "GD-PHCER ", "GD‐PHCER", "ＧＤ-PHCER", "G\u0000", "../GD-PHCER"),
            *("' OR 1=1 --", "%s%n", "GD-PHCER\r\nX: 1", "\u202eGD", "\u200bGD-PHCER", "X" * 9_000),
        )
    ]
    cases += [
        ("client_order_id", text, "invalid_request")
        for text in (
            *("", " ", "a b", "seventeen-letters", "é", "e\u0301", "tab\t", "nul\u0000", "\u200b"),
            *("00000000-0000-0000-0000-000000000000", "{6f1c2a30-1111-4222-8333-444455556666}"),
            *("6f1c2a30111142228333444455556666", "x" * 60_000),
        )
    ]
    cases += [
        ("side", "BUY", "invalid_request"),
        ("side", "any", "invalid_request"),
        ("type", "stop", "invalid_request"),
        ("time_in_force", "forever", "invalid_request"),
        ("expires_at", "2026-12-01T00:00:00.000000Z", "invalid_request"),
        *(("stop_price", text, "invalid_request") for text in ("0", "-1", "1e2", "")),
        ("stop_price", "50.005", "price_off_tick"),
        ("stop_price", "44.99", "price_outside_limits"),
        ("stop_price", "55.01", "price_outside_limits"),
        *(("display_quantity", text, "invalid_request") for text in ("0", "10", "-1", "1.0", "")),
        ("display_quantity", "0.5", "quantity_off_lot"),
        *(("min_quantity", text, "invalid_request") for text in ("0", "11", "-1", "1.0", "")),
        ("min_quantity", "0.5", "quantity_off_lot"),
        ("self_trade_prevention", "cancel_all", "invalid_request"),
        ("post_only", 1, "invalid_request"),
        ("post_only", "true", "invalid_request"),
        ("purpose", "compliance", "not_eligible"),
        ("purpose", "market_making", "not_eligible"),
        ("scheme", "demo", "invalid_request"),
        ("event_id", "1", "invalid_request"),
        *((name, "1", "invalid_request") for name in ("account", "role", "balance", "Price")),
    ]
    return cases


@pytest.mark.parametrize(("field", "value", "code"), text_cases())
async def test_a_wrong_field_is_named(quoted: Exchange, field: str, value: Any, code: str) -> None:
    """Each wrong field of an order gives its code and its name, and leaves the state hash."""
    body = ORDER | {field: value}
    if value is MISSING:
        del body[field]
    before = await quoted.state_hash()
    answer = await quoted.client("enterprise").post("/v1/orders", json=body)
    problem = answer.json()
    assert (problem["code"], problem["field"]) == (code, field)
    assert problem["status"] == answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert await quoted.state_hash() == before


RAW = json.dumps(ORDER).encode()
BODIES = {
    "empty": b"",
    "not an object": b"[]",
    "null": b"null",
    "a number": b"1",
    "truncated": RAW[:-1],
    "trailing data": RAW + b" {}",
    "duplicate key": RAW[:-1] + b', "price": "49.00"}',
    "duplicate key by escape": RAW[:-1] + b', "pric\\u0065": "49.00"}',
    "NaN": RAW.replace(b'"50.00"', b"NaN"),
    "Infinity": RAW.replace(b'"50.00"', b"Infinity"),
    "5,000 digits": RAW.replace(b'"50.00"', b"9" * 5_000),
    "byte order mark": b"\xef\xbb\xbf" + RAW,
    "UTF-16": RAW.decode().encode("utf-16"),
    "invalid UTF-8": RAW.replace(b"bad-1", b"bad-\xff"),
    "lone surrogate": RAW.replace(b"bad-1", b"\\ud800"),
    "raw surrogate": RAW.replace(b"bad-1", b"\xed\xa0\x80"),
    "deep arrays": b"[" * 60_000,
    "deep objects": b'{"a":' * 12_000,
    "deep inside": RAW.replace(b'"50.00"', b"[" * 30_000 + b"]" * 30_000),
    "many keys": b"{" + b",".join(b'"%d":1' % n for n in range(6_000)) + b"}",
    "comment": RAW[:-1] + b"/**/}",
    "single quotes": RAW.replace(b'"', b"'"),
    "control character": RAW.replace(b"bad-1", b"bad\n1"),
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_wrong_body_is_refused(quoted: Exchange, name: str) -> None:
    """Whatever is not one strict JSON object is an invalid request."""
    before = await quoted.state_hash()
    answer = await quoted.client("enterprise").post(
        "/v1/orders", content=BODIES[name], headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert await quoted.state_hash() == before


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/json; charset=utf-16"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
    ],
)
async def test_other_media_types_are_refused(
    quoted: Exchange, headers: dict[str, str], status: int
) -> None:
    """A body that is not said to be plain JSON in UTF-8 is not even read as such."""
    answer = await quoted.client("enterprise").post("/v1/orders", content=RAW, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, "invalid_request")


async def test_a_body_over_64_kib_is_refused(quoted: Exchange) -> None:
    """413, whether its length is declared or it comes in chunks, and the connection is closed."""

    async def chunks() -> Any:
        for _ in range(5):
            yield b" " * 20_000

    headers = {"Content-Type": "application/json"}
    for content in (b" " * 65_537, chunks()):
        answer = await quoted.client("enterprise").post(
            "/v1/orders", content=content, headers=headers
        )
        assert (answer.status_code, answer.json()["limit"]) == (413, 65_536)
        assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("request_line", "body", "code", "field"),
    [
        ("PATCH /v1/orders/client:standing", {}, "invalid_request", "price"),
        ("PATCH /v1/orders/client:standing", {"quantity": "0"}, "invalid_request", "quantity"),
        ("PATCH /v1/orders/client:standing", {"price": "1.001"}, "price_off_tick", "price"),
        ("PATCH /v1/orders/client:standing", {"side": "sell"}, "invalid_request", "side"),
        ("PATCH /v1/orders/client:standing", {"price": "60"}, "price_outside_limits", "price"),
        ("PATCH /v1/orders/client:nothing", {"quantity": "5"}, "not_found", None),
        ("PATCH /v1/orders/16777217", {"quantity": "5"}, "not_found", None),
        ("DELETE /v1/orders/client:nothing", None, "not_found", None),
        ("DELETE /v1/orders/16777217", None, "not_found", None),
        ("DELETE /v1/orders/18446744073709551617", None, "not_found", None),
        ("DELETE /v1/orders/-1", None, "not_found", None),
        ("DELETE /v1/orders?symbol=NONE", None, "unknown_instrument", "symbol"),
        ("GET /v1/orders/abc", None, "not_found", None),
        ("GET /v1/orders/client:%00", None, "not_found", None),
        ("GET /v1/orders?status=lost", None, "invalid_request", "status"),
        ("GET /v1/orders?limit=0", None, "invalid_request", "limit"),
        ("GET /v1/orders?limit=x", None, "invalid_request", "limit"),
        ("GET /v1/orders?cursor=x", None, "invalid_request", "cursor"),
        ("GET /v1/fills?cursor=-1", None, "invalid_request", "cursor"),
        ("GET /v1/nothing", None, "not_found", None),
        ("GET /v1/../etc/passwd", None, "not_found", None),
        ("GET /v1/market/NONE/book", None, "unknown_instrument", None),
        ("GET /v1/market/GD-PHCER/book?depth=0", None, "invalid_request", "depth"),
        ("GET /v1/market/GD-PHCER/candles?interval=2m", None, "invalid_request", "interval"),
        ("GET /v1/instruments/NONE", None, "unknown_instrument", None),
        ("PUT /v1/orders", {}, "invalid_request", None),
        ("POST /v1/orders/batch", {"orders": []}, "invalid_request", "orders"),
        ("POST /v1/orders/batch", {"orders": [ORDER] * 21}, "invalid_request", "orders"),
        ("POST /v1/orders/batch", {"orders": {}}, "invalid_request", "orders"),
        ("PUT /v1/quotes", {"symbol": "GD-PHCER"}, "forbidden", None),
        ("POST /v1/cancel-after", {"seconds": -1}, "invalid_request", "seconds"),
        ("POST /v1/cancel-after", {"seconds": 1.5}, "invalid_request", "seconds"),
        ("POST /v1/cancel-after", {"seconds": "1e3"}, "invalid_request", "seconds"),
        ("POST /v1/cancel-after", {"seconds": True}, "invalid_request", "seconds"),
        ("POST /v1/cancel-after", {"seconds": 86401}, "invalid_request", "seconds"),
        ("POST /v1/operator/kill", {"account": "maker"}, "forbidden", None),
        ("POST /v1/operator/sessions", {"phase": "closed"}, "forbidden", None),
        ("GET /v1/operator/audit", None, "forbidden", None),
        ("GET /v1/operator/state-hash", None, "forbidden", None),
    ],
)
async def test_wrong_requests_are_refused(
    quoted: Exchange, request_line: str, body: Any, code: str, field: str | None
) -> None:
    """Amending, cancelling, asking and administering wrongly gives a problem and changes nothing.

    Order 16777217 is the maker's: for others it is not there.
    """
    before = await quoted.state_hash()
    method, path = request_line.split()
    answer = await quoted.client("enterprise").request(method, path, json=body)
    problem = answer.json()
    assert (problem["code"], problem.get("field")) == (code, field)
    assert await quoted.state_hash() == before


@pytest.mark.parametrize(
    ("bid", "ask", "code", "field"),
    [
        (("49.00", "1"), ("49.00", "1"), "invalid_request", "bid.price"),
        (("49.001", "1"), None, "price_off_tick", "bid.price"),
        (None, ("51.00", "1.5"), "quantity_off_lot", "ask.quantity"),
        (("44.00", "1"), None, "price_outside_limits", "price"),
        (None, ("51.00", "100000"), "quantity_too_large", "quantity"),
        (None, ("54.00", "99999"), None, None),
    ],
)
async def test_wrong_quotes_are_refused(
    quoted: Exchange, bid: Any, ask: Any, code: str | None, field: str | None
) -> None:
    """A quote is taken whole or not at all; the fault names the side where it can."""
    before = await quoted.state_hash()
    names = ("price", "quantity")
    sides = [dict(zip(names, side, strict=True)) if side else None for side in (bid, ask)]
    body = {"symbol": "WH-CER", "bid": sides[0], "ask": sides[1]}
    answer = await quoted.client("maker").put("/v1/quotes", json=body)
    if code is None:
        assert answer.status_code == 200
        return
    assert (answer.json()["code"], answer.json().get("field")) == (code, field)
    assert await quoted.state_hash() == before
