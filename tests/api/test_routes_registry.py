"""The registry over HTTP: issue, custody, transfer, pledge, retire, verify, and what is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import pytest_asyncio
from exchange_driver import Exchange
from registry_driver import checked, holdings, issue, log_in, problem

from api import registry_answers as answers


async def test_from_methodology_to_a_verified_certificate(exchange):
    registrar = await log_in(exchange, "registry")
    added = await registrar.post(
        "/v1/registry/methodologies",
        json={"code": "GD-BUS-1", "title": "Bus rides", "version": "1.0"},
    )
    assert checked(added, answers.Methodology, 201)["status"] == "published"
    batch_id = await issue(exchange)
    client = exchange.client("enterprise")
    [held] = (await client.get("/v1/registry/holdings")).json()["items"]
    assert (
        held.items()
        >= {
            "batch_id": batch_id,
            "symbol": "GD-PHCER",
            "vintage": 2024,
            "quantity": "100",
            "serials": {"start": "GD-BUS-2024-1", "end": "GD-BUS-2024-100"},
            "status": "held",
        }.items()
    )

    deposit = {"symbol": "GD-PHCER", "quantity": "60"}
    checked(await client.post("/v1/registry/deposits", json=deposit), answers.Operation, 201)
    balances = (await client.get("/v1/balances")).json()
    assert balances["credits"]["GD-PHCER"]["available"] == "60"
    withdrawal = {"symbol": "GD-PHCER", "quantity": "10"}
    answer = await client.post("/v1/registry/withdrawals", json=withdrawal)
    checked(answer, answers.Operation, 201)

    retired = await client.post(
        "/v1/registry/retirements",
        json={
            "symbol": "GD-PHCER",
            "quantity": "70",
            "beneficiary": "普惠公司",
            "reason": "Carbon-neutral meeting",
            "event_id": "meeting-2026",
        },
    )
    content = checked(retired, answers.RetirementOperation, 201)
    assert sum(int(part["quantity"]) for part in content["serials"]) == 70
    assert await holdings(client) == [("GD-BUS-2024-31", "30", "custody")]

    certificate_id = content["certificate_id"]
    verified = await exchange.public.get(f"/v1/verify/{certificate_id}")
    seen = checked(verified, answers.Verification)
    assert (seen["valid"], seen["quantity"], seen["beneficiary"]) == (True, "70", "普惠公司")
    retirements = await exchange.public.get("/v1/registry/retirements")
    listed = checked(retirements, answers.Retirements)
    assert listed["items"][0]["certificate_id"] == certificate_id
    own = checked(await client.get("/v1/registry/certificates"), answers.Retirements)
    assert [each["certificate_id"] for each in own["items"]] == [certificate_id]
    others = await exchange.client("maker").get("/v1/registry/certificates")
    assert others.json() == {"items": [], "next_cursor": None}
    shown = await exchange.public.get(f"/v1/registry/batches/{batch_id}")
    batch = checked(shown, answers.BatchInFull)
    assert (batch["quantities"]["retired"], batch["quantities"]["custody"]) == ("70", "30")

    path = f"/v1/registry/retirements/{certificate_id}"
    assert checked(await client.get(path), answers.Certificate)["credits"][0]["vintage"] == 2024
    printed = await client.get(path, headers={"Accept": "application/pdf"})
    assert printed.headers["content-type"] == "application/pdf"
    again = await client.get(path, headers={"Accept": "application/pdf"})
    assert printed.content == again.content
    assert printed.content.startswith(b"%PDF-")
    assert problem(await exchange.client("maker").get(path))[:2] == (404, "not_found")
    assert (await exchange.public.get(path)).status_code == 401


async def test_transfers_and_pledges(exchange):
    batch_id = await issue(exchange)
    client, other = exchange.client("enterprise"), exchange.client("organiser")
    gift = {"to_account": "organiser", "quantity": "40", "batch_id": batch_id, "kind": "gift"}
    assert (await client.post("/v1/registry/transfers", json=gift)).status_code == 201
    assert await holdings(other) == [("GD-BUS-2024-1", "40", "held")]

    body = {"quantity": "60", "batch_id": batch_id}
    answer = await client.post("/v1/registry/pledges", json=body)
    pledge = checked(answer, answers.Operation, 201)
    assert await holdings(client) == [("GD-BUS-2024-41", "60", "pledged")]
    refused = await client.post("/v1/registry/transfers", json=gift | {"quantity": "1"})
    assert problem(refused) == (422, "insufficient_credits", "quantity")
    release = f"/v1/registry/pledges/{pledge['pledge_id']}/release"
    assert problem(await other.post(release))[:2] == (404, "not_found")
    assert (await client.post(release)).status_code == 201
    assert problem(await client.post(release))[:2] == (409, "conflict")
    assert await holdings(client) == [("GD-BUS-2024-41", "60", "held")]


async def test_a_repeated_key_repeats_the_answer(exchange):
    await issue(exchange)
    client = exchange.client("enterprise")
    body = {"symbol": "GD-PHCER", "quantity": "5", "beneficiary": "us", "reason": "why"}
    key = {"Idempotency-Key": "retire-1"}
    first = await client.post("/v1/registry/retirements", json=body, headers=key)
    again = await client.post("/v1/registry/retirements", json=body, headers=key)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    other = await client.post(
        "/v1/registry/retirements", json=body | {"quantity": "6"}, headers=key
    )
    assert problem(other) == (409, "conflict", "Idempotency-Key")
    elsewhere = await client.post(
        "/v1/registry/deposits", json={"symbol": "GD-PHCER", "quantity": "5"}, headers=key
    )
    assert problem(elsewhere)[:2] == (409, "conflict")
    assert await holdings(client) == [("GD-BUS-2024-6", "95", "held")]
    found = await client.get(f"/v1/registry/operations/{first.json()['operation_id']}")
    assert found.json() == first.json()


async def test_an_issue_with_a_key_is_made_once(exchange):
    registrar = await log_in(exchange, "registry")
    projects = (await exchange.public.get("/v1/projects?limit=1")).json()
    body = {
        "project_id": projects["items"][0]["project_id"],
        "vintage": 2024,
        "quantity": "10",
        "serial_prefix": "X",
    }
    key = {"Idempotency-Key": "k"}
    first = await registrar.post("/v1/registry/batches", json=body, headers=key)
    again = await registrar.post("/v1/registry/batches", json=body, headers=key)
    assert first.json() == again.json()
    other = await registrar.post(
        "/v1/registry/batches", json=body | {"quantity": "11"}, headers=key
    )
    assert problem(other)[:2] == (409, "conflict")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("deposits", {"symbol": "GD-PHCER", "quantity": "5"}),
        ("transfers", {"to_account": "maker", "quantity": "5", "kind": "transfer"}),
        ("pledges", {"quantity": "5"}),
        ("retirements", {"quantity": "5", "beneficiary": "us", "reason": "why"}),
    ],
)
async def test_a_dry_run_answers_alike_and_changes_nothing(exchange, path, body):
    body = body | {"batch_id": await issue(exchange)}
    client = exchange.client("enterprise")
    before = await exchange.state_hash()
    dry = await client.post(f"/v1/registry/{path}?dry_run=true", json=body)
    assert (dry.status_code, dry.json()["dry_run"]) == (200, True)
    msgspec.convert(
        dry.json(), answers.RetirementOperation if path == "retirements" else answers.Operation
    )
    assert await holdings(client) == [("GD-BUS-2024-1", "100", "held")]
    assert await exchange.state_hash() == before
    done = await client.post(f"/v1/registry/{path}", json=body)
    assert done.status_code == 201
    assert dry.json()["serials"] == done.json()["serials"]
    too_much = await client.post(
        f"/v1/registry/{path}?dry_run=true", json=body | {"quantity": "101"}
    )
    assert problem(too_much)[1] == "insufficient_credits"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stocked(shared_exchange: Exchange) -> Exchange:
    """The shared exchange with one batch of enterprise's, which the tests leave alone."""
    await issue(shared_exchange)
    return shared_exchange


CUSTODY = {"symbol": "GD-PHCER", "quantity": "1"}
TRANSFER = {"to_account": "maker", "quantity": "1", "batch_id": "?", "kind": "gift"}
RETIREMENT = {"symbol": "GD-PHCER", "quantity": "1", "beneficiary": "b", "reason": "r"}
INVALID = (400, "invalid_request")
BAD_ACCOUNT_REQUESTS: list[tuple[str, dict[str, Any], tuple[int, str, str | None]]] = [
    ("deposits", CUSTODY | {"quantity": "101"}, (422, "insufficient_credits", "quantity")),
    ("deposits", CUSTODY | {"quantity": "0"}, (*INVALID, "quantity")),
    ("deposits", CUSTODY | {"quantity": "-1"}, (*INVALID, "quantity")),
    ("deposits", CUSTODY | {"quantity": "1e2"}, (*INVALID, "quantity")),
    ("deposits", CUSTODY | {"quantity": "1.5"}, (422, "quantity_off_lot", "quantity")),
    ("deposits", CUSTODY | {"quantity": "9" * 18}, (422, "quantity_too_large", "quantity")),
    ("deposits", CUSTODY | {"quantity": 1}, (*INVALID, "quantity")),
    ("deposits", CUSTODY | {"quantity": True}, (*INVALID, "quantity")),
    ("deposits", CUSTODY | {"account": "maker"}, (*INVALID, "account")),
    ("deposits", CUSTODY | {"symbol": "NONE"}, (404, "unknown_instrument", "symbol")),
    ("deposits", {"symbol": "GD-PHCER"}, (*INVALID, "quantity")),
    ("withdrawals", CUSTODY, (422, "insufficient_credits", "quantity")),
    ("transfers", TRANSFER, (422, "insufficient_credits", "quantity")),
    ("transfers", TRANSFER | {"to_account": "nobody"}, (404, "not_found", "to_account")),
    ("transfers", TRANSFER | {"to_account": "enterprise"}, (*INVALID, "to_account")),
    ("transfers", TRANSFER | {"kind": "loan"}, (*INVALID, "kind")),
    (
        "pledges",
        {"quantity": "1", "batch_id": "' or 1=1"},
        (422, "insufficient_credits", "quantity"),
    ),
    ("pledges/none/release", {}, (404, "not_found", None)),
    ("retirements", RETIREMENT | {"batch_id": "B00000001"}, (*INVALID, "symbol")),
    ("retirements", RETIREMENT | {"symbol": None}, (*INVALID, "symbol")),
    ("retirements", RETIREMENT | {"symbol": "NONE"}, (404, "unknown_instrument", "symbol")),
    ("retirements", RETIREMENT | {"beneficiary": ""}, (*INVALID, "beneficiary")),
    ("retirements", RETIREMENT | {"beneficiary": "a\u0000b"}, (*INVALID, "beneficiary")),
    ("retirements", RETIREMENT | {"reason": "\u202eevil"}, (*INVALID, "reason")),
    ("retirements", RETIREMENT | {"reason": "x" * 501}, (*INVALID, "reason")),
    ("retirements", RETIREMENT | {"event_id": "../x"}, (*INVALID, "event_id")),
    ("retirements", RETIREMENT | {"quantity": "101"}, (422, "insufficient_credits", "quantity")),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("path", "body", "expected"), BAD_ACCOUNT_REQUESTS)
async def test_a_bad_request_is_refused_and_changes_nothing(stocked, path, body, expected):
    client = stocked.client("enterprise")
    before = await stocked.state_hash()
    assert problem(await client.post(f"/v1/registry/{path}", json=body)) == expected
    assert await holdings(client) == [("GD-BUS-2024-1", "100", "held")]
    assert await stocked.state_hash() == before


METHODOLOGY = {"code": "M", "title": "t", "version": "1"}
PROJECT = {"name": "n", "methodology": "GD-PH-001", "region": "r", "type": "t", "account": "maker"}
BATCH = {"project_id": "P000001", "vintage": 2024, "quantity": "1", "serial_prefix": "X"}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("methodologies", METHODOLOGY | {"code": "GD-PH-001"}, (409, "conflict", "code")),
        ("methodologies", METHODOLOGY | {"code": "a b"}, (*INVALID, "code")),
        ("methodologies", METHODOLOGY | {"status": "great"}, (*INVALID, "status")),
        ("projects", PROJECT | {"methodology": "NONE"}, (404, "not_found", "methodology")),
        ("projects", PROJECT | {"account": "nobody"}, (404, "not_found", "account")),
        ("projects", PROJECT | {"symbol": "NONE"}, (404, "unknown_instrument", "symbol")),
        ("projects", PROJECT | {"project_id": "P000001"}, (409, "conflict", "project_id")),
        ("projects", PROJECT | {"name": " n"}, (*INVALID, "name")),
        ("batches", BATCH | {"project_id": "none"}, (404, "not_found", "project_id")),
        ("batches", BATCH | {"vintage": 1850}, (*INVALID, "vintage")),
        ("batches", BATCH | {"vintage": 2024.5}, (*INVALID, "vintage")),
        ("batches", BATCH | {"vintage": True}, (*INVALID, "vintage")),
        ("batches", BATCH | {"vintage": "２０２４"}, (*INVALID, "vintage")),
        ("batches", BATCH | {"serial_prefix": "{number}"}, (*INVALID, "serial_prefix")),
        ("batches", BATCH | {"quantity": "0"}, (*INVALID, "quantity")),
    ],
)
async def test_a_bad_registration_is_refused(stocked, path, body, expected):
    registrar = await log_in(stocked, "registry")
    assert problem(await registrar.post(f"/v1/registry/{path}", json=body)) == expected


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("path", ["methodologies", "projects", "batches"])
async def test_only_the_registry_registers(stocked, path):
    refused = await stocked.client("enterprise").post(f"/v1/registry/{path}", json={})
    assert refused.status_code in (400, 403)
    body = {"methodologies": METHODOLOGY, "projects": PROJECT, "batches": BATCH}[path]
    refused = await stocked.client("operator").post(f"/v1/registry/{path}", json=body)
    assert problem(refused)[:2] == (403, "forbidden")
    assert (await stocked.public.post(f"/v1/registry/{path}", json=body)).status_code == 401


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("path", "into"),
    [
        ("methodologies", answers.Methodologies),
        ("projects", answers.Projects),
        ("registry/batches", answers.Batches),
        ("registry/retirements", answers.Retirements),
    ],
)
async def test_public_lists_need_no_account_and_are_paged(stocked, path, into):
    whole = checked(await stocked.public.get(f"/v1/{path}"), into)
    assert whole["next_cursor"] is None
    if len(whole["items"]) > 1:
        first = (await stocked.public.get(f"/v1/{path}?limit=1")).json()
        following = f"/v1/{path}?limit=500&cursor={first['next_cursor']}"
        rest = (await stocked.public.get(following)).json()
        assert first["items"] + rest["items"] == whole["items"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "path",
    ["registry/batches/B9", "verify/PH-0000-0000-0000-0000", "registry/operations/none"],
)
async def test_what_does_not_exist_is_not_found(stocked, path):
    answer = await stocked.client("enterprise").get(f"/v1/{path}")
    assert problem(answer)[:2] == (404, "not_found")


async def test_a_registrar_confirms_what_rules_ask_for(exchange):
    registrar = await log_in(exchange, "registry")
    project_id = (await exchange.public.get("/v1/projects")).json()["items"][0]["project_id"]
    path = f"/v1/registry/projects/{project_id}/labels"
    labels = {"labels": ["outside_covered_boundaries", "co2_only"]}
    shown = checked(await registrar.put(path, json=labels), answers.Project)
    assert shown["labels"] == ["co2_only", "outside_covered_boundaries"]
    for body, wrong, expected in (
        ({"labels": ["green"]}, path, (400, "invalid_request", "labels")),
        (labels, "/v1/registry/projects/none/labels", (404, "not_found", None)),
    ):
        assert problem(await registrar.put(wrong, json=body)) == expected
    batch = {"project_id": project_id, "vintage": 2025, "quantity": "5", "serial_prefix": "X"}
    made = await registrar.post("/v1/registry/batches", json=batch | {"first_day": "2025-03-01"})
    assert checked(made, answers.Batch, 201)["first_day"] == "2025-03-01"
    for day in ("2026-01-01", "2025-02-30", "20250301"):
        refused = await registrar.post("/v1/registry/batches", json=batch | {"first_day": day})
        assert problem(refused) == (400, "invalid_request", "first_day")


async def test_the_document_describes_every_answer(exchange):
    document = (await exchange.public.get("/openapi.json")).json()
    for method, path in answers.REGISTRY_ANSWERS:
        responses = document["paths"][path][method.lower()]["responses"]
        successes = [code for code in responses if code.startswith("2")]
        assert successes, path
        for code in successes:
            assert "$ref" in responses[code]["content"]["application/json"]["schema"]
