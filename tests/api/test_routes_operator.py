"""Operators' routes: accounts, cash with a second person, instruments, phases, blocking, audit."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from exchange_driver import Exchange, connect
from sqlalchemy import update

from api import answers
from settlement.tables.identity import AuditRecord

SECOND = {
    "account": "second-operator",
    "name": "Second operator (第二运营员)",
    "username": "second",
    "password": "a long enough password",
    "roles": ["operator"],
}
FIRM = SECOND | {"account": "firm", "username": "firm", "roles": ["trader"], "name": "A firm"}


async def log_in(exchange: Exchange, body: dict[str, Any]) -> Any:
    login = {"username": body["username"], "password": body["password"]}
    token = (await exchange.public.post("/v1/sessions", json=login)).json()["token"]
    return connect(exchange.app, headers={"Authorization": f"Bearer {token}"})


async def test_an_account_is_opened_funded_and_trades(exchange: Exchange) -> None:
    """A new account can log in, has what was deposited, and trades a new instrument."""
    operator = exchange.client("operator")
    for _ in range(2):  # once more changes nothing
        answer = await operator.post("/v1/operator/accounts", json=FIRM)
        assert answer.status_code == 201, answer.text
    async with await log_in(exchange, FIRM) as firm:
        assert (await firm.get("/v1/balances")).json()["cash"]["CNY"]["available"] == "0.00"
        cash = {"account": "firm", "kind": "deposit", "amount": "1000.50"}
        headers = {"Idempotency-Key": "statement-1"}
        for status in (201, 200):
            answer = await operator.post("/v1/operator/cash", json=cash, headers=headers)
            assert answer.status_code == status
            found = msgspec.json.decode(answer.content, type=answers.CashRequest)
            assert found.status == "completed"
        other = cash | {"amount": "1000.51"}
        answer = await operator.post("/v1/operator/cash", json=other, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert (await firm.get("/v1/balances")).json()["cash"]["CNY"]["available"] == "1000.50"
        instrument = {"symbol": "NEW-CER", "reference_price": "20.00", "taker_fee": "0.001"}
        answer = await operator.post("/v1/operator/instruments", json=instrument)
        made = msgspec.json.decode(answer.content, type=answers.Instrument)
        assert (made.phase, made.lower_limit, made.fees.taker) == ("closed", "18.00", "0.001")
        again = await operator.post("/v1/operator/instruments", json=instrument)
        assert again.json()["code"] == "conflict"
        phase = {"symbol": "NEW-CER", "phase": "continuous"}
        answer = await operator.post("/v1/operator/sessions", json=phase)
        assert answer.json()["items"] == [phase]
        order = {
            "client_order_id": "1",
            "symbol": "NEW-CER",
            "side": "buy",
            "type": "limit",
            "price": "20.00",
            "quantity": "10",
        }
        assert (await firm.post("/v1/orders", json=order)).status_code == 201
        refused = cash | {"kind": "withdrawal", "amount": "900.00"}
        answer = await operator.post("/v1/operator/cash", json=refused)
        assert (answer.status_code, answer.json()["code"]) == (422, "insufficient_funds")


async def test_much_cash_needs_a_second_person(exchange: Exchange) -> None:
    """Above the limit a request waits; its sender cannot approve it, another operator can."""
    operator = exchange.client("operator")
    assert (await operator.post("/v1/operator/accounts", json=SECOND)).status_code == 201
    body = {"account": "organiser", "kind": "deposit", "amount": "1000000.01"}
    before = await exchange.state_hash()
    answers_given = [await operator.post("/v1/operator/cash", json=body) for _ in range(2)]
    assert [each.status_code for each in answers_given] == [202, 202]
    first, second = [each.json()["request_id"] for each in answers_given]
    path = f"/v1/operator/cash/{first}"
    answer = await operator.post(f"{path}/approve")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert await exchange.state_hash() == before
    async with await log_in(exchange, SECOND) as other:
        answer = await other.post(f"{path}/approve")
        found = msgspec.json.decode(answer.content, type=answers.CashRequest)
        assert (found.status, found.decided_by) == ("completed", "second")
        for decision in ("approve", "reject"):
            assert (await other.post(f"{path}/{decision}")).json()["code"] == "conflict"
        answer = await other.post(f"/v1/operator/cash/{second}/reject")
        assert answer.json()["status"] == "rejected"
        listed = (await other.get("/v1/operator/cash?status=rejected")).json()["items"]
        assert [each["request_id"] for each in listed] == [second]
    balances = (await exchange.client("organiser").get("/v1/balances")).json()
    assert balances["cash"]["CNY"]["available"] == "11000000.01"


async def test_a_killed_account_is_out_of_the_market(exchange: Exchange) -> None:
    """Its orders are cancelled, new ones are forbidden, and it can be let in again."""
    client, operator = exchange.client("enterprise"), exchange.client("operator")
    order = {
        "client_order_id": "k1",
        "symbol": "XM-CER",
        "side": "buy",
        "type": "limit",
        "price": "46.00",
        "quantity": "1",
    }
    assert (await client.post("/v1/orders", json=order)).status_code == 201
    answer = await operator.post("/v1/operator/kill", json={"account": "enterprise"})
    assert answer.json() == {"account": "enterprise", "blocked": True, "cancelled": 1}
    found = (await client.get("/v1/orders/client:k1")).json()
    assert (found["status"], found["cancel_reason"]) == ("cancelled", "account_blocked")
    order["client_order_id"] = "k2"
    answer = await client.post("/v1/orders", json=order)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    answer = await operator.post("/v1/operator/unblock", json={"account": "enterprise"})
    assert answer.json()["blocked"] is False
    assert (await client.post("/v1/orders", json=order)).status_code == 201
    answer = await operator.post("/v1/operator/kill", json={"account": "nobody"})
    assert (answer.status_code, answer.json()["field"]) == (404, "account")


async def test_the_audit_is_a_chain(exchange: Exchange) -> None:
    """Actions are written down, and a record that is changed later is found."""
    operator, auditor = exchange.client("operator"), exchange.client("auditor")
    for phase in ("halted", "continuous"):
        await operator.post("/v1/operator/sessions", json={"symbol": None, "phase": phase})
    page = (await auditor.get("/v1/operator/audit?limit=1")).json()
    [latest] = page["items"]
    assert (latest["actor"], latest["action"]) == ("operator", "phase_set")
    assert latest["subject"] == {"symbol": None, "phase": "continuous"}
    [before] = (
        await auditor.get(f"/v1/operator/audit?limit=1&cursor={page['next_cursor']}")
    ).json()["items"]
    assert before["hash"] == latest["previous_hash"]
    assert page["chain"] == {"intact": True, "first_broken": None}

    def forge(session: Any) -> None:
        where = AuditRecord.sequence == before["sequence"]
        session.execute(update(AuditRecord).where(where).values(actor="nobody"))

    exchange.gateway.database.write(forge).result()
    page = (await auditor.get("/v1/operator/audit")).json()
    assert page["chain"] == {"intact": False, "first_broken": before["sequence"]}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("path", "body", "code", "field"),
    [
        ("accounts", FIRM | {"roles": []}, "invalid_request", "roles"),
        ("accounts", FIRM | {"roles": ["king"]}, "invalid_request", "roles[0]"),
        ("accounts", FIRM | {"password": "short"}, "invalid_request", "password"),
        ("accounts", FIRM | {"account": "Firm"}, "invalid_request", "account"),
        ("accounts", FIRM | {"username": "maker"}, "conflict", "username"),
        ("accounts", FIRM | {"name": "A\u0000"}, "invalid_request", "name"),
        ("accounts", FIRM | {"balance": "1"}, "invalid_request", "balance"),
        (
            "cash",
            {"account": "none", "kind": "deposit", "amount": "1.00"},
            "not_found",
            "account",
        ),
        (
            "cash",
            {"account": "maker", "kind": "gift", "amount": "1.00"},
            "invalid_request",
            "kind",
        ),
        (
            "cash",
            {"account": "maker", "kind": "deposit", "amount": "-1"},
            "invalid_request",
            "amount",
        ),
        (
            "cash",
            {"account": "maker", "kind": "deposit", "amount": "0.001"},
            "invalid_request",
            "amount",
        ),
        (
            "cash",
            {"account": "maker", "kind": "deposit", "amount": 1},
            "invalid_request",
            "amount",
        ),
        ("sessions", {"symbol": "NONE", "phase": "closed"}, "unknown_instrument", "symbol"),
        ("sessions", {"symbol": None, "phase": "lunch"}, "invalid_request", "phase"),
        ("instruments", {"symbol": "", "reference_price": "1.00"}, "invalid_request", "symbol"),
        ("instruments", {"symbol": "A B", "reference_price": "1.00"}, "invalid_request", "symbol"),
        (
            "instruments",
            {"symbol": "A", "reference_price": "0.00"},
            "invalid_request",
            "reference_price",
        ),
        (
            "instruments",
            {"symbol": "A", "reference_price": "1.00", "price_limit": "1"},
            "invalid_request",
            "price_limit",
        ),
        (
            "instruments",
            {"symbol": "A", "reference_price": "1.00", "taker_fee": "0.5"},
            "invalid_request",
            None,
        ),
        ("kill", {"account": 7}, "invalid_request", "account"),
    ],
)
async def test_wrong_administration_is_refused(
    shared_exchange: Exchange, path: str, body: dict[str, Any], code: str, field: str | None
) -> None:
    """Operators' mistakes are named, and change nothing in the engine."""
    before = await shared_exchange.state_hash()
    answer = await shared_exchange.client("operator").post(f"/v1/operator/{path}", json=body)
    assert (answer.json()["code"], answer.json().get("field")) == (code, field), answer.text
    assert await shared_exchange.state_hash() == before
