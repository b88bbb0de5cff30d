"""An account's limits: set by an operator, shown to the account, kept by the engine."""

from typing import Any

import pytest
from exchange_driver import Exchange

LIMITS = "/v1/operator/accounts/enterprise/limits"
NOT_LIMITED = {
    "account": "enterprise",
    "maximum_orders_per_second": None,
    "maximum_open_orders": None,
    "maximum_order_amount": None,
    "open_orders": 0,
    "blocked": False,
}


def _buy(client_order_id: str, quantity: str = "1") -> dict[str, Any]:
    return {
        "client_order_id": client_order_id,
        "symbol": "GD-PHCER",
        "side": "buy",
        "type": "limit",
        "price": "46.00",
        "quantity": quantity,
    }


async def test_limits_are_set_shown_and_lifted(exchange: Exchange) -> None:
    """The account sees what the operator set, beside the gateway's own limits on requests."""
    client, operator = exchange.client("enterprise"), exchange.client("operator")
    assert (await operator.get(LIMITS)).json() == NOT_LIMITED
    body = {
        "maximum_orders_per_second": 50,
        "maximum_open_orders": 2,
        "maximum_order_amount": "1000.00",
    }
    answer = await operator.put(LIMITS, json=body)
    assert answer.status_code == 200
    assert answer.json() == NOT_LIMITED | body
    assert (await client.post("/v1/orders", json=_buy("limit-1"))).status_code == 201
    own = (await client.get("/v1/limits")).json()
    requests = own.pop("requests")
    assert own == NOT_LIMITED | body | {"open_orders": 1}
    assert set(requests) == {"orders", "requests"}
    settings = exchange.gateway.settings
    assert requests["orders"]["quantity"] == settings.orders_per_second
    assert requests["requests"]["window_seconds"] == 1
    assert 0 < requests["orders"]["remaining"] <= settings.orders_per_second
    assert (await operator.put(LIMITS, json={})).json() == NOT_LIMITED | {"open_orders": 1}
    audit = (await operator.get("/v1/operator/audit?limit=1")).json()["items"][0]
    assert (audit["action"], audit["subject"]["account"]) == ("account_limits_set", "enterprise")


@pytest.mark.parametrize(
    ("limits", "status", "code", "field"),
    [
        ({"maximum_open_orders": 1}, 429, "too_many_requests", None),
        ({"maximum_order_amount": "91.99"}, 422, "quantity_too_large", "quantity"),
    ],
)
async def test_orders_beyond_a_limit_are_refused(
    exchange: Exchange, limits: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    """Each with a code of the contract, its own sentence in both languages, and when to retry."""
    client, operator = exchange.client("enterprise"), exchange.client("operator")
    await operator.put(LIMITS, json=limits)
    assert (await client.post("/v1/orders", json=_buy("limit-1"))).status_code == 201
    answer = await client.post("/v1/orders", json=_buy("limit-2", "2"))
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem.get("field")) == (status, code, field)
    assert "/v1/limits" in problem["detail"]
    assert ("Retry-After" in answer.headers) == (status == 429)
    answer = await client.post(
        "/v1/orders", json=_buy("limit-2", "2"), headers={"Accept-Language": "zh"}
    )
    assert "上限" in answer.json()["detail"]
    assert (await client.delete("/v1/orders/client:limit-1")).status_code == 200


async def test_the_rate_is_that_of_a_second(exchange: Exchange) -> None:
    """Beyond it the answer says when the next second begins; cancels are never refused."""
    client, operator = exchange.client("enterprise"), exchange.client("operator")
    await operator.put(LIMITS, json={"maximum_orders_per_second": 1})
    # One of three falls into the same second as another, wherever the seconds begin.
    answers = [await client.post("/v1/orders", json=_buy(f"rate-{n}")) for n in range(3)]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert refused
    for answer in refused:
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
        assert 1 <= answer.json()["retry_after_ms"] <= 1_000
        assert answer.headers["Retry-After"] == "1"
    assert (await client.delete("/v1/orders")).json()["cancelled"] == 3 - len(refused)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"maximum_open_orders": 0}, "maximum_open_orders"),
        ({"maximum_orders_per_second": 2**31}, "maximum_orders_per_second"),
        ({"maximum_order_amount": "0"}, "maximum_order_amount"),
        ({"maximum_order_amount": 5}, "maximum_order_amount"),
        ({"maximum": 1}, "maximum"),
    ],
)
async def test_wrong_limits_are_refused(
    shared_exchange: Exchange, body: dict[str, Any], field: str
) -> None:
    """With the field named, and without any effect."""
    operator = shared_exchange.client("operator")
    answer = await operator.put(LIMITS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert answer.json()["field"] == field
    assert (await operator.get(LIMITS)).json() == NOT_LIMITED


@pytest.mark.asyncio(loop_scope="module")
async def test_only_operators_set_limits(shared_exchange: Exchange) -> None:
    """Auditors read them; an account's own user does neither; unknown accounts are not found."""
    operator, auditor = shared_exchange.client("operator"), shared_exchange.client("auditor")
    client = shared_exchange.client("enterprise")
    assert (await auditor.get(LIMITS)).status_code == 200
    assert (await auditor.put(LIMITS, json={})).status_code == 403
    assert (await client.get(LIMITS)).status_code == 403
    for answer in (
        await operator.get("/v1/operator/accounts/nobody/limits"),
        await operator.put("/v1/operator/accounts/nobody/limits", json={}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
