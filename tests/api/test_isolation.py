"""An account reaches its own things only, and a role its own routes: whatever ids are guessed."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio
from exchange_driver import Exchange
from sqlalchemy import select
from stream_driver import Connect, order

from api.openapi_examples import BODY_EXAMPLES
from settlement.tables.registry import Batch

pytestmark = pytest.mark.asyncio(loop_scope="module")

BATCH_ID = "DEMO-GD-PHCER"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owned(shared_exchange: Exchange) -> dict[str, str]:
    """Ids of things that belong to others than the organiser."""
    maker, enterprise = shared_exchange.client("maker"), shared_exchange.client("enterprise")
    with shared_exchange.gateway.database.read() as session:
        assert session.scalar(select(Batch).where(Batch.batch_id == BATCH_ID)) is not None
    placed = await maker.post("/v1/orders", json=order("theirs", side="sell", price="54.00"))
    assert placed.status_code == 201, placed.text
    retirement = BODY_EXAMPLES["RetirementBody"] | {"quantity": "1"}
    await maker.post("/v1/registry/withdrawals", json={"symbol": "GD-PHCER", "quantity": "1"})
    retired = await maker.post("/v1/registry/retirements", json=retirement)
    assert retired.status_code == 201, retired.text
    body = BODY_EXAMPLES["BlockTradeBody"] | {"counterparty": "maker", "side": "buy"}
    block = await enterprise.post("/v1/block-trades", json=body | {"quantity": "2000"})
    event = await enterprise.post("/v1/events", json=BODY_EXAMPLES["EventBody"])
    await maker.post("/v1/registry/withdrawals", json={"symbol": "GD-PHCER", "quantity": "1"})
    transfer = BODY_EXAMPLES["TransferBody"] | {"to_account": "enterprise", "quantity": "1"}
    offered = await maker.post("/v1/registry/transfers", json=transfer | {"needs_acceptance": True})
    assert offered.status_code == 201, offered.text
    key = await maker.post("/v1/keys", json=BODY_EXAMPLES["KeyBody"])
    return {
        "order": placed.json()["order_id"],
        "certificate": retired.json()["certificate_id"],
        "transfer": offered.json()["transfer_id"],
        "operation": retired.json()["operation_id"],
        "block": block.json().get("block_trade_id", "1"),
        "event": event.json().get("event_id", "1"),
        "key": key.json()["key_id"],
    }


@pytest.mark.parametrize(
    ("request_line", "body"),
    [
        ("GET /v1/orders/{order}", None),
        ("GET /v1/orders/client:theirs", None),
        ("PATCH /v1/orders/{order}", {"quantity": "1"}),
        ("PATCH /v1/orders/client:theirs", {"quantity": "1"}),
        ("DELETE /v1/orders/{order}", None),
        ("DELETE /v1/orders/client:theirs", None),
        ("GET /v1/registry/operations/{operation}", None),
        ("GET /v1/registry/retirements/{certificate}", None),
        ("POST /v1/registry/pledges/{operation}/release", None),
        ("POST /v1/registry/transfers/{transfer}/accept", None),
        ("POST /v1/registry/transfers/{transfer}/cancel", None),
        ("GET /v1/block-trades/{block}", None),
        ("POST /v1/block-trades/{block}/accept", None),
        ("DELETE /v1/block-trades/{block}", None),
        ("PATCH /v1/events/{event}", {"attendees": 5}),
        ("POST /v1/events/{event}/publish", None),
        ("POST /v1/events/{event}/offset", {"symbol": "GD-PHCER", "max_price": "51.00"}),
        ("DELETE /v1/events/{event}", None),
        ("DELETE /v1/keys/{key}", None),
    ],
)
async def test_others_things_are_not_there(
    shared_exchange: Exchange, owned: dict[str, str], request_line: str, body: Any
) -> None:
    """404, as for an id that nothing has, and nothing changes."""
    before = await shared_exchange.state_hash()
    method, path = request_line.format(**owned).split()
    answer = await shared_exchange.client("organiser").request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    guessed = await shared_exchange.client("organiser").request(
        method, request_line.format(**dict.fromkeys(owned, "99999999")).split()[1], json=body
    )
    assert guessed.json() == answer.json()
    assert await shared_exchange.state_hash() == before


async def test_lists_hold_ones_own_things(shared_exchange: Exchange, owned: dict[str, str]) -> None:
    """Orders, fills, holdings, keys and the rest of others are in no list."""
    client = shared_exchange.client("organiser")
    paths = ("orders", "fills", "registry/holdings", "keys", "block-trades", "statements")
    for path in paths:
        answer = await client.get(f"/v1/{path}")
        assert (answer.status_code, answer.json()["items"]) == (200, []), path
    assert (await client.get(f"/v1/fills?order_id={owned['order']}")).json()["items"] == []


async def test_private_channels_are_ones_own(
    shared_exchange: Exchange, shared_stream: Connect, owned: dict[str, str]
) -> None:
    """A replay from the beginning brings nothing of others, and a login stays one account's."""
    async with shared_stream("organiser") as client:
        channels = [{"name": name, "replay_from": 0} for name in ("orders", "fills")]
        await client.subscribe(*channels)
        assert "result" in await client.ask("ping")
        assert client.pushes == []
        for request in ({"order_id": owned["order"]}, {"client_order_id": "theirs"}):
            refused = await client.ask("order.cancel", **request)
            assert refused["error"]["code"] == "not_found"
        token = shared_exchange.client("maker").headers["Authorization"].removeprefix("Bearer ")
        assert (await client.ask("login", token=token))["error"]["code"] == "conflict"
        named = await client.ask("subscribe", channels=[{"name": "orders", "account": "maker"}])
        assert named["error"]["code"] == "invalid_request"


@pytest.mark.parametrize("field", ["account", "role", "roles", "balance", "available", "user_id"])
async def test_nothing_is_claimed_in_a_body(shared_exchange: Exchange, field: str) -> None:
    """Who somebody is follows from the credentials: a field that says otherwise is refused."""
    before = await shared_exchange.state_hash()
    claims = {field: "maker"}
    for method, path, body in (
        ("POST", "/v1/orders", order("claim")),
        ("POST", "/v1/orders/preview", order("claim")),
        ("POST", "/v1/registry/retirements", BODY_EXAMPLES["RetirementBody"]),
        ("POST", "/v1/cancel-after", {"seconds": 1}),
        ("POST", "/v1/events", BODY_EXAMPLES["EventBody"]),
    ):
        answer = await shared_exchange.client("enterprise").request(
            method, path, json=body | claims
        )
        assert (answer.json()["code"], answer.json()["field"]) == ("invalid_request", field), path
    assert await shared_exchange.state_hash() == before


async def test_operators_routes_are_operators(shared_exchange: Exchange) -> None:
    """Every one of them, with a right body or without, is forbidden to traders and makers."""
    before = await shared_exchange.state_hash()
    document = shared_exchange.app.openapi()
    routes = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if path.startswith("/v1/operator/") or (method, path) in REGISTRARS_ROUTES
    ]
    assert len(routes) > 30
    for method, path, operation in routes:
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        for username in ("enterprise", "maker"):
            answer = await shared_exchange.client(username).request(
                method, path.replace("{", "").replace("}", ""), json=content.get("example")
            )
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, path)
    assert await shared_exchange.state_hash() == before


REGISTRARS_ROUTES = {
    ("post", "/v1/registry/methodologies"),
    ("post", "/v1/registry/projects"),
    ("post", "/v1/registry/batches"),
    ("post", "/v1/compliance/obligations"),
}


async def test_an_auditor_reads_and_changes_nothing(shared_exchange: Exchange) -> None:
    """What operators read an auditor reads, and nothing that changes anything is his."""
    before = await shared_exchange.state_hash()
    auditor = shared_exchange.client("auditor")
    assert (await auditor.get("/v1/operator/audit")).status_code == 200
    for method, path, name in (
        ("POST", "/v1/operator/kill", "AccountNameBody"),
        ("POST", "/v1/operator/cash", "CashBody"),
        ("POST", "/v1/operator/sessions", "PhaseBody"),
        ("POST", "/v1/orders", "OrderBody"),
    ):
        answer = await auditor.request(method, path, json=BODY_EXAMPLES[name])
        assert answer.status_code == 403, path
    assert await shared_exchange.state_hash() == before
