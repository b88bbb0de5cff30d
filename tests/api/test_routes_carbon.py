"""Carbon accounts, statements, points and batches of persons' acts over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from registry_driver import checked, issue, log_in, problem

from api import carbon_answers as answers
from settlement import certificate_signatures, points_rules

ENTRY = {
    "year": 2026,
    "kind": "emission",
    "category": "electricity",
    "quantity": "120.5",
    "evidence": "Invoice 17 电费单",
}
INVALID = (400, "invalid_request")


async def state(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    made = await client.post("/v1/carbon/entries", json=ENTRY | changes)
    return checked(made, answers.CarbonEntry, 201)


async def test_a_year_of_an_organisation_and_its_statement(exchange):
    client = exchange.client("enterprise")
    batch_id = await issue(exchange)
    wrong = await state(client, quantity="1205")
    right = await state(client, replaces=wrong["entry_id"])
    await state(client, category="fuel", quantity="0.001")
    await state(client, kind="reduction", category="solar", quantity="3")
    await state(client, year=2025)
    own_name = (await client.get("/v1/carbon/account?year=2026")).json()["name"]
    for beneficiary, quantity in (("enterprise", "10"), (own_name, "5"), ("Somebody", "7")):
        body = {"quantity": quantity, "batch_id": batch_id, "reason": "r"}
        body["beneficiary"] = beneficiary
        made = await client.post("/v1/registry/retirements", json=body)
        assert made.status_code == 201
    year = checked(await client.get("/v1/carbon/account?year=2026"), answers.CarbonAccount)
    assert year["emissions_by_category"] == {"electricity": "120.500", "fuel": "0.001"}
    assert (year["emissions"], year["reductions"]) == ("120.501", "3.000")
    assert (year["retired"], year["retired_for_others"], year["net"]) == ("15.000", "7", "105.501")
    listed = checked(await client.get("/v1/carbon/entries?limit=4"), answers.CarbonEntries)
    assert listed["next_cursor"] == right["entry_id"]

    path = "/v1/carbon/statement?year=2026"
    document = checked(await client.get(path), answers.SignedStatement)
    key = (await exchange.public.get("/v1/verify-key")).json()["public_key"]
    assert certificate_signatures.is_genuine(document, key)
    forged = document | {"certificate": document["certificate"] | {"net": "0.000"}}
    assert not certificate_signatures.is_genuine(forged, key)
    [held] = document["certificate"]["holdings"]
    assert (held["batch_id"], held["quantity"]) == (batch_id, "78")
    printed = await client.get(path, headers={"Accept": "application/pdf"})
    assert printed.content.startswith(b"%PDF-")
    other = exchange.client("maker")
    assert (await other.get("/v1/carbon/entries")).json()["items"] == []
    taken = await other.post("/v1/carbon/entries", json=ENTRY | {"replaces": right["entry_id"]})
    assert problem(taken) == (404, "not_found", "replaces")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"quantity": "0"}, (*INVALID, "quantity")),
        ({"quantity": "1.2345"}, (*INVALID, "quantity")),
        ({"quantity": "-1"}, (*INVALID, "quantity")),
        ({"quantity": 1}, (*INVALID, "quantity")),
        ({"year": 1850}, (*INVALID, "year")),
        ({"kind": "wish"}, (*INVALID, "kind")),
        ({"category": "a b"}, (*INVALID, "category")),
        ({"replaces": "x"}, (*INVALID, "replaces")),
        ({"replaces": "99"}, (404, "not_found", "replaces")),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_bad_entry_is_refused(shared_exchange, change, expected):
    client = shared_exchange.client("enterprise")
    assert problem(await client.post("/v1/carbon/entries", json=ENTRY | change)) == expected
    assert (await client.get("/v1/carbon/entries")).json()["items"] == []


async def test_an_entry_with_a_key_is_stated_once(exchange):
    client, key = exchange.client("enterprise"), {"Idempotency-Key": "k"}
    first = await client.post("/v1/carbon/entries", json=ENTRY, headers=key)
    again = await client.post("/v1/carbon/entries", json=ENTRY, headers=key)
    assert first.json() == again.json()
    other = await client.post("/v1/carbon/entries", json=ENTRY | {"year": 2025}, headers=key)
    assert problem(other) == (409, "conflict", "Idempotency-Key")


def act(act_id: str, account: str = "organiser", **changes: str) -> dict[str, str]:
    return {"act_id": act_id, "account": account, "day": "2026-03-01", "amount": "1000"} | changes


async def test_points_from_a_ride_to_a_batch(exchange):
    registrar, bus = await log_in(exchange, "registry"), exchange.client("enterprise")
    rules = checked(await exchange.public.get("/v1/points/rules"), answers.PointsRules)
    assert rules["items"][-1]["version"] == points_rules.versions()[-1].version
    rides = {"scene": "bus_ride", "acts": [act("T1"), act("T2", amount="0.199")]}
    assert problem(await bus.post("/v1/points/reports", json=rides)) == (403, "forbidden", "scene")
    allowed = await registrar.put("/v1/registry/scenes/bus_ride/operators/enterprise")
    checked(allowed, answers.SceneOperator)
    refused = await bus.post("/v1/points/reports", json=rides)
    assert problem(refused) == (422, "not_eligible", "account")
    for username in ("organiser", "maker"):
        opened = await exchange.client(username).put(
            "/v1/carbon/person", json={"consents_to_aggregation": username == "organiser"}
        )
        checked(opened, answers.PersonalCarbonAccount)
    reported = await bus.post("/v1/points/reports", json=rides)
    first, second = checked(reported, answers.PersonalActs, 201)["items"]
    # 500 g a ride and 100 g a point, both rounded down.
    assert (first["reduction_kg"], first["points"]) == ("500.000", 5_000)
    assert (second["reduction_kg"], second["points"]) == ("0.099", 0)
    assert (await bus.post("/v1/points/reports", json=rides)).json() == reported.json()

    await registrar.put("/v1/registry/scenes/bus_ride/operators/compliance")
    twice = {"scene": "bus_ride", "acts": [act("T9"), act("T1")]}
    other = await exchange.client("compliance").post("/v1/points/reports", json=twice)
    assert problem(other) == (409, "conflict", "act_id")
    client = exchange.client("organiser")
    acts = checked(await client.get("/v1/carbon/acts"), answers.PersonalActs)
    assert [each["act_id"] for each in acts["items"]] == ["T2", "T1"]  # T9 came with a wrong one

    key = {"Idempotency-Key": "r-1"}
    for _ in range(2):
        spent = await client.post("/v1/points/redemptions", json={"reward": "tree"}, headers=key)
        assert checked(spent, answers.PointsEntry, 201)["points"] == -2_000
    shown = (await client.get("/v1/carbon/person")).json()
    assert (shown["points"], shown["reduction_kg"]) == (3_000, "500.099")
    assert (await client.post("/v1/points/redemptions", json={"reward": "tree"})).status_code == 201
    poor = await client.post("/v1/points/redemptions", json={"reward": "tree"})
    assert problem(poor) == (409, "conflict", "reward")

    project_id = (await exchange.public.get("/v1/projects")).json()["items"][0]["project_id"]
    wanted = {
        "project_id": project_id,
        "year": 2026,
        "scenes": ["bus_ride"],
        "serial_prefix": "PERSONS",
    }
    path = "/v1/registry/aggregations"
    assert problem(await registrar.post(path, json=wanted))[:2] == (409, "conflict")
    more = {"scene": "bus_ride", "acts": [act("T3", amount="1500"), act("T4", "maker")]}
    assert (await bus.post("/v1/points/reports", json=more)).status_code == 201
    key = {"Idempotency-Key": "a-1"}
    for _ in range(2):
        made = checked(
            await registrar.post(path, json=wanted, headers=key), answers.Aggregation, 201
        )
    # 0.5 t, 0.0 t and 0.75 t of organiser's; maker has not consented.
    assert (made["persons"], made["acts"], made["carried_kg"]) == (1, 3, "250.099")
    batch = (await exchange.public.get(f"/v1/registry/batches/{made['batch_id']}")).json()
    assert (batch["quantity"], batch["vintage"]) == ("1", 2026)
    await exchange.client("maker").put("/v1/carbon/person", json={"consents_to_aggregation": True})
    later = {"scene": "bus_ride", "acts": [act("T5", amount="500")]}
    assert (await bus.post("/v1/points/reports", json=later)).status_code == 201
    next_one = checked(await registrar.post(path, json=wanted), answers.Aggregation, 201)
    assert (next_one["persons"], next_one["brought_kg"], next_one["carried_kg"]) == (
        2,
        "250.099",
        "0.099",
    )


@pytest.mark.parametrize(
    ("scene", "change", "expected"),
    [
        ("bus_ride", {"amount": "0"}, (*INVALID, "amount")),
        ("bus_ride", {"amount": "1.0001"}, (*INVALID, "amount")),
        ("bus_ride", {"day": "2999-01-01"}, (*INVALID, "day")),
        ("bus_ride", {"day": "2020-01-01"}, (*INVALID, "day")),
        ("bus_ride", {"account": "nobody"}, (404, "not_found", "account")),
        ("bus_ride", {"act_id": ""}, (*INVALID, "act_id")),
        ("flying", {}, (403, "forbidden", "scene")),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_bad_report_is_refused(shared_exchange, scene, change, expected):
    registrar = await log_in(shared_exchange, "registry")
    await registrar.put("/v1/registry/scenes/bus_ride/operators/enterprise")
    unknown = await registrar.put("/v1/registry/scenes/flying/operators/enterprise")
    assert problem(unknown) == (404, "not_found", "scene")
    client = shared_exchange.client("enterprise")
    await client.put("/v1/carbon/person", json={"consents_to_aggregation": True})
    body = {"scene": scene, "acts": [act("X", "enterprise") | change]}
    assert problem(await client.post("/v1/points/reports", json=body)) == expected
    assert (await client.get("/v1/carbon/acts")).json()["items"] == []


@pytest.mark.asyncio(loop_scope="module")
async def test_the_document_describes_every_answer(shared_exchange):
    document = (await shared_exchange.public.get("/openapi.json")).json()
    for method, path in answers.CARBON_ANSWERS:
        responses = document["paths"][path][method.lower()]["responses"]
        successes = [code for code in responses if code.startswith("2")]
        assert successes, path
        for code in successes:
            assert "$ref" in responses[code]["content"]["application/json"]["schema"]
