"""The client's REST half: lost answers on a fake transport, then a real exchange."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from decimal import Decimal

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from exchange_driver import PASSWORD, Exchange
from stream_driver import SYMBOL, Connect, quoted

from api import client as puhui
from api.client import calls, results

AT_ONCE = puhui.Retries(attempts=4, first_pause_seconds=0.0)
ORDER = {
    "order_id": "7",
    "client_order_id": "mine",
    "symbol": SYMBOL,
    "side": "buy",
    "type": "limit",
    "price": "50.10",
    "quantity": "10",
    "filled_quantity": "0",
    "remaining_quantity": "10",
    "average_price": None,
    "status": "open",
    "cancel_reason": None,
    "time_in_force": "day",
    "created_at": "2026-11-20T01:30:00.000001Z",
    "updated_at": "2026-11-20T01:30:00.000001Z",
    "sequence": 3,
}
Script = list[httpx.Response | Exception]


def problem(status: int, code: str, **members: object) -> httpx.Response:
    content = {"code": code, "status": status, "detail": "Because.", "title": "No", **members}
    return httpx.Response(status, json=content)


def scripted(script: Script) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    """A transport that gives these answers in turn, and what it was asked."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        found = script[len(asked) - 1]
        if isinstance(found, Exception):
            raise found
        # A new one each time: a response can be read by one client only.
        return httpx.Response(found.status_code, content=found.content)

    return httpx.MockTransport(answer), asked


Ask = Callable[..., tuple[object, list[httpx.Request]]]


@pytest.fixture(params=["blocking", "asyncio"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Sends a call with either client; gives its result or problem, and what was sent."""

    def run(call: calls.Call[object], script: Script) -> tuple[object, list[httpx.Request]]:
        transport, asked = scripted(script)
        url = "http://exchange"
        try:
            if request.param == "blocking":
                blocking = httpx.Client(transport=transport, base_url=url)
                with puhui.Exchange(url, retries=AT_ONCE, http=blocking) as exchange:
                    return exchange.ask(call), asked

            async def ask_once() -> object:
                http = httpx.AsyncClient(transport=transport, base_url=url)
                async with puhui.AsyncExchange(url, retries=AT_ONCE, http=http) as exchange:
                    return await exchange.ask(call)

            return asyncio.run(ask_once()), asked
        except puhui.Problem as error:
            return error, asked

    return run


def an_order() -> calls.Call[results.Order]:
    return calls.place_order(
        client_order_id="mine", symbol=SYMBOL, side="buy", price=Decimal("50.10"), quantity=10
    )


def sent(asked: list[httpx.Request]) -> list[tuple[str, str]]:
    return [(request.method, request.url.raw_path.decode()) for request in asked]


PLACED, LOOKED_UP = ("POST", "/v1/orders"), ("GET", "/v1/orders/client:mine")
UNKNOWN = httpx.ReadTimeout("late")


def test_a_lost_answer_is_asked_for_by_client_id(ask: Ask) -> None:
    """The order is there: it is not sent a second time."""
    order, asked = ask(an_order(), [UNKNOWN, httpx.Response(200, json=ORDER)])
    assert sent(asked) == [PLACED, LOOKED_UP]
    assert isinstance(order, results.Order)
    assert (order.price, order.quantity) == (Decimal("50.10"), Decimal(10))
    assert str(order.price) == "50.10"


def test_an_order_that_never_arrived_is_sent_again(ask: Ask) -> None:
    """Only when the exchange says that it does not know it, and with the same id."""
    script: Script = [
        problem(504, "execution_unknown"),
        problem(404, "not_found"),
        httpx.Response(201, json=ORDER),
    ]
    order, asked = ask(an_order(), script)
    assert sent(asked) == [PLACED, LOOKED_UP, PLACED]
    assert asked[0].content == asked[2].content
    assert isinstance(order, results.Order)


def test_what_stays_unknown_is_said_to_be(ask: Ask) -> None:
    """While nobody knows of the order it is not sent again."""
    error, asked = ask(an_order(), [UNKNOWN] * 5)
    assert isinstance(error, puhui.Problem)
    assert (error.code, error.status) == ("execution_unknown", 504)
    assert sent(asked) == [PLACED] + [LOOKED_UP] * 4


@pytest.mark.parametrize(
    "first",
    [
        httpx.ConnectError("refused"),
        problem(429, "too_many_requests", retry_after_ms=1),
        problem(503, "service_unavailable"),
    ],
)
def test_what_was_not_done_is_sent_again_at_once(
    ask: Ask, first: httpx.Response | Exception
) -> None:
    """There is nothing to look up."""
    order, asked = ask(an_order(), [first, httpx.Response(201, json=ORDER)])
    assert sent(asked) == [PLACED, PLACED]
    assert isinstance(order, results.Order)


def test_a_refusal_is_final(ask: Ask) -> None:
    """It has the exchange's code, the field that is meant, and is not tried again."""
    refusal = problem(422, "price_off_tick", field="price", retry_after_ms=20)
    error, asked = ask(an_order(), [refusal])
    assert isinstance(error, puhui.Problem)
    assert (error.code, error.field, error.retry_after_ms) == ("price_off_tick", "price", 20)
    assert len(asked) == 1


@pytest.mark.parametrize(("now", "times"), [("10", 2), ("4", 1)])
def test_an_amendment_is_looked_at_before_it_is_repeated(ask: Ask, now: str, times: int) -> None:
    """Twice the same amendment would lose priority, so it is repeated only if it was not made."""
    script: Script = [
        UNKNOWN,
        httpx.Response(200, json=ORDER | {"quantity": now}),
        httpx.Response(200, json=ORDER | {"quantity": "4"}),
    ]
    order, asked = ask(calls.amend_order(client_order_id="mine", quantity="4"), script)
    assert [request.method for request in asked].count("PATCH") == times
    assert isinstance(order, results.Order)
    assert order.quantity == 4


def test_a_cancelled_order_counts_as_cancelled(ask: Ask) -> None:
    """A lost answer to a cancel does not end in `order_not_open`."""
    gone = httpx.Response(200, json=ORDER | {"status": "cancelled"})
    order, asked = ask(calls.cancel_order("7"), [UNKNOWN, gone])
    assert sent(asked) == [("DELETE", "/v1/orders/7"), ("GET", "/v1/orders/7")]
    assert isinstance(order, results.Order)


def test_a_retirement_is_repeated_with_its_key(ask: Ask) -> None:
    """The registry knows it by its idempotency key."""
    certificate = {
        "certificate_id": "C1",
        "quantity": "10",
        "beneficiary": "Us",
        "reason": "event",
        "retired_at": "2026-11-20T01:30:00.000001Z",
        "serials": [],
    }
    found, asked = ask(
        calls.retire(SYMBOL, 10, "Us", "event"), [UNKNOWN, httpx.Response(201, json=certificate)]
    )
    assert isinstance(found, results.Certificate)
    keys = {request.headers["Idempotency-Key"] for request in asked}
    assert (len(asked), len(keys)) == (2, 1)


def test_an_unknown_change_without_a_name_is_not_repeated(ask: Ask) -> None:
    """Nothing makes a transfer safe to send twice, and a proxy's page tells nothing."""
    page = httpx.Response(502, text="<html>bad gateway</html>")
    error, asked = ask(calls.other("POST", "/v1/registry/transfers", {}), [page])
    assert isinstance(error, puhui.Problem)
    assert (error.code, len(asked)) == ("execution_unknown", 1)


def test_floats_are_refused() -> None:
    """No price or quantity goes through a binary fraction."""
    with pytest.raises(TypeError, match="not exact"):
        calls.place_order(symbol=SYMBOL, side="buy", price=50.1, quantity=1)
    assert calls.amount(Decimal("1E+2")) == "100"


async def test_every_call_against_an_exchange(exchange: Exchange) -> None:
    """What the exchange answers is read into the types, an account from its order to its list."""
    await quoted(exchange)
    async with puhui.AsyncExchange("http://testserver", http=exchange.public) as buyer:
        await buyer.log_in("enterprise", PASSWORD)
        terms = await buyer.ask(calls.get_instrument(SYMBOL))
        assert (terms.tick, terms.number) == (Decimal("0.01"), 1)
        assert terms in (await buyer.ask(calls.list_instruments())).items
        book = await buyer.ask(calls.get_book(SYMBOL))
        assert book.asks == [(Decimal("51.00"), Decimal(100), 1)]
        wanted = {"symbol": SYMBOL, "side": "buy", "price": "51.00", "quantity": 30}
        preview = await buyer.ask(calls.preview_order(**wanted))
        assert preview.notional == Decimal("1530.00")
        bought = await buyer.ask(calls.place_order(client_order_id="a/b?", **wanted))
        assert (bought.status, bought.fills[0].price) == ("filled", Decimal("51.00"))
        assert await buyer.ask(calls.get_order(client_order_id="a/b?")) == bought
        again = await buyer.ask(calls.place_order(client_order_id="a/b?", **wanted))
        assert (again.order_id, again.replayed) == (bought.order_id, True)
        placed, refused = await buyer.ask(
            calls.place_orders([wanted | {"price": "48.00"}, wanted | {"price": "48.001"}])
        )
        assert isinstance(placed, results.Order)
        assert isinstance(refused, puhui.Problem)
        assert refused.code == "price_off_tick"
        amended = await buyer.ask(calls.amend_order(placed.order_id, quantity=20))
        assert amended.priority == "kept"
        ended = await buyer.ask(calls.cancel_order(placed.order_id))
        assert ended.status == "cancelled"
        assert (await buyer.ask(calls.cancel_orders(SYMBOL))).cancelled == 0
        listed = [order async for order in buyer.items(calls.list_orders(limit=1))]
        assert [order.order_id for order in listed] == [placed.order_id, bought.order_id]
        (fill,) = (await buyer.ask(calls.list_fills())).items
        assert (fill.order_id, fill.liquidity) == (bought.order_id, "taker")
        assert (await buyer.ask(calls.get_ticker(SYMBOL))).last == Decimal("51.00")
        (trade,) = (await buyer.ask(calls.list_trades(SYMBOL))).items
        assert (trade.trade_id, trade.quantity) == (fill.trade_id, 30)
        (candle,) = (await buyer.ask(calls.list_candles(SYMBOL, "1d"))).items
        assert (candle.volume, candle.turnover) == (30, Decimal("1530.00"))
        balances = await buyer.ask(calls.get_balances())
        assert balances.credits[SYMBOL].locked_today == 30
        assert (await buyer.ask(calls.cancel_after(60))).cancel_at is not None
        assert (await buyer.ask(calls.get_status())).status == "open"
        assert (await buyer.ask(calls.get_time())).unix_ms > 0
        assert (await buyer.ask(calls.list_holdings())).items == []
        with pytest.raises(puhui.Problem) as problem_found:
            await buyer.ask(calls.set_quote(SYMBOL, ("49.00", 1), None))
        assert problem_found.value.code == "forbidden"


async def test_a_key_signs_every_request(exchange: Exchange, stream: Connect) -> None:
    """Also with a query and a body; the blocking client, over a socket."""
    private_key = Ed25519PrivateKey.generate()
    public_key = b64encode(private_key.public_key().public_bytes_raw()).decode()
    body = {"name": "bot", "public_key": public_key, "scopes": ["read", "trade"]}
    key = (await exchange.client("enterprise").post("/v1/keys", json=body)).json()
    async with stream() as connected:
        port = connected.websocket.remote_address[1]

    def trade() -> list[results.Order]:
        credentials = puhui.SigningKey(key["key_id"], private_key.private_bytes_raw())
        with puhui.Exchange(f"http://127.0.0.1:{port}", credentials) as bot:
            bot.ask(calls.place_order(symbol=SYMBOL, side="buy", price="48.00", quantity="1"))
            return list(bot.items(calls.list_orders(SYMBOL, limit=1)))

    (order,) = await asyncio.to_thread(trade)
    assert order.price == Decimal("48.00")


def test_the_package_could_be_shipped_alone() -> None:
    """Of the server it loads the engine's layouts, codes and texts, and no framework."""
    script = "import json, sys, api.client; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    loaded: list[str] = json.loads(run.stdout)
    own = {name for name in loaded if name.split(".")[0] in ("api", "engine", "settlement")}
    assert {name for name in own if not name.startswith("api.client")} == {
        "api",
        "engine",
        "engine.codes",
        "engine.packed_texts",
        "engine.records",
        "engine.times",
    }
    assert not {"fastapi", "numba", "sqlalchemy", "marketdata"} & set(loaded)
