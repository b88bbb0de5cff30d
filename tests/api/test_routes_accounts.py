"""Accounts as operators look them up, and the list of settlement runs."""

from __future__ import annotations

import msgspec
import pytest
from exchange_driver import Exchange

from api import account_answers as answers

ACCOUNTS = "/v1/operator/accounts"


@pytest.mark.asyncio(loop_scope="module")
async def test_operators_find_accounts(shared_exchange: Exchange) -> None:
    """By page, newest first; by a part of the account's code or a user's name; wildcards of SQL
    mean themselves."""
    operator = shared_exchange.client("operator")
    answer = await operator.get(ACCOUNTS)
    everything = msgspec.json.decode(answer.content, type=answers.Accounts).items
    assert {"enterprise", "maker"} <= {each.account for each in everything}
    page = (await operator.get(ACCOUNTS, params={"limit": 1})).json()
    assert [each["account"] for each in page["items"]] == [everything[0].account]
    cursor = page["next_cursor"]
    page = (await operator.get(ACCOUNTS, params={"limit": 1, "cursor": cursor})).json()
    assert [each["account"] for each in page["items"]] == [everything[1].account]
    for search, expected in (("nterpris", ["enterprise"]), ("%", []), ("nobody", [])):
        found = (await operator.get(ACCOUNTS, params={"search": search})).json()["items"]
        assert [each["account"] for each in found] == expected


async def test_an_account_in_full(exchange: Exchange) -> None:
    """Its users, whether it is blocked, its open orders and its balances."""
    operator, client = exchange.client("operator"), exchange.client("enterprise")
    order = {
        "client_order_id": "1",
        "symbol": "XM-CER",
        "side": "buy",
        "type": "limit",
        "price": "46.00",
        "quantity": "1",
    }
    assert (await client.post("/v1/orders", json=order)).status_code == 201
    answer = await operator.get(f"{ACCOUNTS}/enterprise")
    found = msgspec.json.decode(answer.content, type=answers.AccountInFull)
    assert (found.open_orders, found.blocked) == (1, False)
    assert [user.username for user in found.users] == ["enterprise"]
    own = (await client.get("/v1/balances")).json()["cash"]
    assert msgspec.to_builtins(found.balances.cash) == own
    assert own["CNY"]["held"] != "0.00"


@pytest.mark.asyncio(loop_scope="module")
async def test_only_operators_and_auditors_see_accounts(shared_exchange: Exchange) -> None:
    """Others are refused; an account that is not there is not found."""
    for username, status in (("auditor", 200), ("enterprise", 403), ("maker", 403)):
        client = shared_exchange.client(username)
        assert (await client.get(ACCOUNTS)).status_code == status
        assert (await client.get(f"{ACCOUNTS}/maker")).status_code == status
    missing = await shared_exchange.client("auditor").get(f"{ACCOUNTS}/nobody")
    assert missing.json()["code"] == "not_found"
