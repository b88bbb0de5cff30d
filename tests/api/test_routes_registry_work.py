"""The registry's work over HTTP: methodologies, pipeline, monitoring, what is set aside."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import pytest_asyncio
from exchange_driver import Exchange
from registry_driver import checked, holdings, issue, log_in, problem

from api import registry_answers, registry_work_answers
from api.registry_work_answers import REGISTRY_WORK_ANSWERS

VERSION = {"version": "2.0", "title": "Bus rides 公交出行", "summary": "Kilometres by factor."}
REPORT = {
    "source": "meter:GD-0001",
    "first_day": "2025-01-01",
    "last_day": "2025-12-31",
    "quantity": "100",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def registrar(shared_exchange: Exchange) -> httpx.AsyncClient:
    return await log_in(shared_exchange, "registry")


async def new_project(registrar: httpx.AsyncClient, **changes: Any) -> str:
    body = {
        "name": "Rooftop 光伏",
        "methodology": "GD-PH-001",
        "region": "厦门",
        "type": "solar",
        "account": "enterprise",
        "symbol": "GD-PHCER",
    }
    made = await registrar.post("/v1/registry/projects", json=body | changes)
    return checked(made, registry_answers.Project, 201)["project_id"]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_methodology_goes_from_draft_to_record(shared_exchange, registrar):
    path = "/v1/registry/methodologies/XM-BUS/versions"
    drafted = await registrar.post(path, json=VERSION)
    assert checked(drafted, registry_work_answers.MethodologyVersion, 201)["status"] == "draft"
    again = await registrar.post(path, json=VERSION | {"version": "2.1"})
    assert problem(again)[:2] == (409, "conflict")
    steps = path + "/2.0"
    findings = {"findings": "Sound."}
    assert problem(await registrar.post(f"{steps}/review", json=findings))[:2] == (409, "conflict")
    assert (await registrar.post(f"{steps}/submit")).json()["status"] == "review"
    own = await registrar.post(f"{steps}/review", json=findings)
    assert problem(own)[:2] == (403, "forbidden")
    operator = shared_exchange.client("operator")
    assert (await operator.post(f"{steps}/review", json=findings)).json()["status"] == "vote"
    for expert, choice in (("Li", "approve"), ("Wang", "approve"), ("Zhao", "reject")):
        early = await registrar.post(f"{steps}/decision")
        assert problem(early)[:2] == (409, "conflict")
        ballot = {"expert": expert, "choice": choice}
        assert (await registrar.post(f"{steps}/votes", json=ballot)).status_code == 200
    twice = await registrar.post(f"{steps}/votes", json={"expert": "Li", "choice": "reject"})
    assert problem(twice) == (409, "conflict", "expert")
    assert (await registrar.post(f"{steps}/decision")).json()["status"] == "recorded"
    shown = await shared_exchange.public.get("/v1/methodologies/XM-BUS")
    content = checked(shown, registry_work_answers.MethodologyInFull)
    assert (content["status"], content["version"]) == ("published", "2.0")
    assert [vote["choice"] for vote in content["versions"][0]["votes"]] == [
        "approve",
        "approve",
        "reject",
    ]
    await new_project(registrar, methodology="XM-BUS")
    withdrawn = await registrar.post("/v1/registry/methodologies/XM-BUS/withdraw")
    assert checked(withdrawn, registry_answers.Methodology)["status"] == "withdrawn"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_rejected_version_leaves_the_one_in_force(shared_exchange, registrar):
    steps = "/v1/registry/methodologies/GD-PH-001/versions"
    assert (await registrar.post(steps, json=VERSION)).status_code == 201
    await registrar.post(f"{steps}/2.0/submit")
    await shared_exchange.client("operator").post(
        f"{steps}/2.0/review", json={"findings": "Doubtful."}
    )
    for expert, choice in (("Li", "approve"), ("Wang", "reject"), ("Zhao", "abstain")):
        await registrar.post(f"{steps}/2.0/votes", json={"expert": expert, "choice": choice})
    assert (await registrar.post(f"{steps}/2.0/decision")).json()["status"] == "rejected"
    shown = (await shared_exchange.public.get("/v1/methodologies/GD-PH-001")).json()
    assert (shown["status"], shown["version"]) == ("published", "1.0")


@pytest.mark.asyncio(loop_scope="module")
async def test_the_project_library_is_searched_and_counted(shared_exchange, registrar):
    public = shared_exchange.public
    project_id = await new_project(
        registrar, name="Mangrove 红树林 50%", stage="listed", region="泉州"
    )
    for query in ("q=红树林", "q=50%25", "region=泉州", "stage=listed"):
        found = checked(await public.get(f"/v1/projects?{query}"), registry_answers.Projects)
        assert [item["project_id"] for item in found["items"]] == [project_id], query
    assert (await public.get("/v1/projects?q=5_%25")).json()["items"] == []
    path = f"/v1/registry/projects/{project_id}"
    early = {"project_id": project_id, "vintage": 2025, "quantity": "1", "serial_prefix": "X"}
    refused = await registrar.post("/v1/registry/batches", json=early)
    assert problem(refused) == (409, "conflict", "project_id")
    assert problem(await registrar.post(f"{path}/monitoring", json=REPORT))[0] == 409
    for stage in ("validated", "registered"):
        moved = await registrar.put(f"{path}/stage", json={"stage": stage})
        assert checked(moved, registry_answers.Project)["stage"] == stage
    back = await registrar.put(f"{path}/stage", json={"stage": "listed"})
    assert problem(back) == (409, "conflict", "stage")
    regions = checked(await public.get("/v1/projects/regions"), registry_work_answers.Regions)
    [found] = [each for each in regions["items"] if each["region"] == "泉州"]
    assert (found["projects"]["registered"], found["issued_quantity"]) == (1, "0")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_reduction_is_reported_verified_issued_and_claimed_once(shared_exchange, registrar):
    first, second = await new_project(registrar), await new_project(registrar)
    path = f"/v1/registry/projects/{first}/monitoring"
    reported = await registrar.post(path, json=REPORT)
    report = checked(reported, registry_work_answers.MonitoringReport, 201)
    other = f"/v1/registry/projects/{second}/monitoring"
    for days in (("2025-12-31", "2026-06-30"), ("2024-01-01", "2025-01-01"), ("2025-05-01",) * 2):
        overlapping = REPORT | {"first_day": days[0], "last_day": days[1]}
        assert problem(await registrar.post(other, json=overlapping)) == (409, "conflict", "source")
    backwards = REPORT | {"first_day": "2026-02-02", "last_day": "2026-02-01"}
    assert problem(await registrar.post(other, json=backwards))[2] == "last_day"

    batch = {
        "project_id": first,
        "vintage": 2025,
        "quantity": "60",
        "serial_prefix": "MON",
        "report_id": report["report_id"],
    }
    early = await registrar.post("/v1/registry/batches", json=batch)
    assert problem(early) == (409, "conflict", "report_id")
    verification = f"/v1/registry/monitoring/{report['report_id']}/verification"
    found = {"verifier": "CTI 核证", "quantity": "90"}
    too_much = await registrar.post(verification, json=found | {"quantity": "101"})
    assert problem(too_much) == (400, "invalid_request", "quantity")
    verified = await registrar.post(verification, json=found)
    assert checked(verified, registry_work_answers.MonitoringReport)["status"] == "verified"
    for quantity in ("60", "30"):
        made = await registrar.post("/v1/registry/batches", json=batch | {"quantity": quantity})
        assert checked(made, registry_answers.Batch, 201)["first_day"] == "2025-01-01"
    over = await registrar.post("/v1/registry/batches", json=batch | {"quantity": "1"})
    assert problem(over) == (422, "quantity_too_large", "quantity")
    shown = await shared_exchange.public.get(f"/v1/projects/{first}")
    [seen] = checked(shown, registry_work_answers.ProjectInFull)["reports"]
    assert (seen["verified_quantity"], seen["issued_quantity"]) == ("90", "90")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_rejected_report_frees_its_claim(registrar):
    project_id = await new_project(registrar)
    path = f"/v1/registry/projects/{project_id}/monitoring"
    body = REPORT | {"source": "plot:7"}
    report_id = (await registrar.post(path, json=body)).json()["report_id"]
    rejected = await registrar.post(
        f"/v1/registry/monitoring/{report_id}/verification",
        json={"verifier": "CTI", "quantity": "0"},
    )
    assert rejected.json()["status"] == "rejected"
    assert (await registrar.post(path, json=body)).status_code == 201


async def test_a_transfer_waits_for_its_receiver(exchange):
    batch_id = await issue(exchange)
    sender, receiver = exchange.client("enterprise"), exchange.client("organiser")
    body = {
        "to_account": "organiser",
        "quantity": "40",
        "batch_id": batch_id,
        "kind": "transfer",
        "needs_acceptance": True,
    }
    dry = await sender.post("/v1/registry/transfers?dry_run=true", json=body)
    assert checked(dry, registry_answers.Operation)["transfer_id"] is None
    key = {"Idempotency-Key": "t-1"}
    asked = await sender.post("/v1/registry/transfers", json=body, headers=key)
    transfer_id = checked(asked, registry_answers.Operation, 201)["transfer_id"]
    again = await sender.post("/v1/registry/transfers", json=body, headers=key)
    assert again.json() == asked.json()
    for client in (sender, receiver):
        listed = checked(
            await client.get("/v1/registry/transfers"), registry_work_answers.AllSetAside
        )
        assert [(item["account"], item["status"]) for item in listed["items"]] == [
            ("enterprise", "open")
        ]
    others = await exchange.client("maker").get("/v1/registry/transfers")
    assert others.json()["items"] == []
    path = f"/v1/registry/transfers/{transfer_id}"
    for client, decision in ((sender, "accept"), (receiver, "cancel")):
        assert problem(await client.post(f"{path}/{decision}"))[:2] == (404, "not_found")
    assert await holdings(receiver) == []
    dry = await receiver.post(f"{path}/accept?dry_run=true")
    assert dry.json()["dry_run"] is True
    key = {"Idempotency-Key": "a-1"}
    accepted = await receiver.post(f"{path}/accept", headers=key)
    checked(accepted, registry_answers.Operation, 201)
    assert (await receiver.post(f"{path}/accept", headers=key)).json() == accepted.json()
    assert await holdings(receiver) == [("GD-BUS-2024-1", "40", "held")]
    assert problem(await sender.post(f"{path}/cancel"))[:2] == (409, "conflict")


async def test_frozen_credits_are_the_registrars_to_give_back(exchange):
    await issue(exchange)
    client, registrar = exchange.client("enterprise"), await log_in(exchange, "registry")
    deposit = {"symbol": "GD-PHCER", "quantity": "60"}
    assert (await client.post("/v1/registry/deposits", json=deposit)).status_code == 201
    body = {
        "account": "enterprise",
        "symbol": "GD-PHCER",
        "quantity": "70",
        "reason": "Court order 1",
    }
    assert problem(await client.post("/v1/registry/freezes", json=body))[:2] == (403, "forbidden")
    key = {"Idempotency-Key": "f-1"}
    frozen = await registrar.post("/v1/registry/freezes", json=body, headers=key)
    freeze_id = checked(frozen, registry_answers.Operation, 201)["freeze_id"]
    again = await registrar.post("/v1/registry/freezes", json=body, headers=key)
    assert again.json() == frozen.json()
    # The same key of the holder's is another key.
    own = {"symbol": "GD-PHCER", "quantity": "1"}
    assert (await client.post("/v1/registry/deposits", json=own, headers=key)).status_code == 422
    assert (await client.get("/v1/balances")).json()["credits"]["GD-PHCER"]["available"] == "30"
    seen = (await client.get("/v1/registry/freezes")).json()["items"]
    assert [(item["reason"], item["status"]) for item in seen] == [("Court order 1", "open")]
    path = f"/v1/registry/freezes/{freeze_id}/release"
    assert problem(await client.post(path))[:2] == (403, "forbidden")
    assert (await registrar.post(path)).status_code == 201
    assert problem(await registrar.post(path))[:2] == (409, "conflict")
    assert await holdings(client) == [
        ("GD-BUS-2024-1", "30", "held"),
        ("GD-BUS-2024-31", "30", "custody"),
        ("GD-BUS-2024-61", "40", "held"),
    ]


IMPORT = {
    "registry": "CCER",
    "transfer_id": "T-1",
    "account": "maker",
    "vintage": 2024,
    "first_number": "1001",
    "last_number": "1100",
    "serial_template": "CCER-7-{number}-2024",
    "source": "meter:GD-0009",
    "first_day": "2024-01-01",
    "last_day": "2024-12-31",
}


async def test_what_comes_from_another_registry_counts_once(exchange):
    registrar = await log_in(exchange, "registry")
    body = IMPORT | {"project_id": await new_project(registrar)}
    taken = await registrar.post("/v1/registry/imports", json=body)
    batch = checked(taken, registry_answers.Batch, 201)
    assert batch["serials"] == {"start": "CCER-7-1001-2024", "end": "CCER-7-1100-2024"}
    assert (await registrar.post("/v1/registry/imports", json=body)).json() == batch
    client = exchange.client("maker")
    assert ("CCER-7-1001-2024", "100", "held") in await holdings(client)
    for change in (
        {"transfer_id": "T-2"},  # the same serials
        {"transfer_id": "T-3", "first_number": "2001", "last_number": "2100"},  # the same reduction
        {"last_number": "1101"},  # the same transfer, but with more,
        {"account": "enterprise"},  # for somebody else,
        {"source": "meter:GD-0010"},  # or of something else
    ):
        refused = await registrar.post("/v1/registry/imports", json=body | change)
        assert problem(refused)[:2] == (409, "conflict"), change
    other = REPORT | {"source": "meter:GD-0009", "first_day": "2024-07-01"}
    path = f"/v1/registry/projects/{body['project_id']}/monitoring"
    assert problem(await registrar.post(path, json=other)) == (409, "conflict", "source")
    for change, field in (
        ({"serial_template": "CCER"}, "serial_template"),
        ({"first_number": "0"}, "first_number"),
        ({"transfer_id": "T-4", "first_number": "1200"}, "last_number"),
        ({"first_day": "2024-02-30"}, "first_day"),
    ):
        refused = await registrar.post("/v1/registry/imports", json=body | change)
        assert problem(refused) == (400, "invalid_request", field)

    export = {"quantity": "30", "batch_id": batch["batch_id"], "to_registry": "CCER"}
    sent = await client.post("/v1/registry/exports", json=export | {"to_account": "A-1"})
    export_id = checked(sent, registry_answers.Operation, 201)["export_id"]
    assert ("CCER-7-1001-2024", "30", "pending_export") in await holdings(client)
    path = f"/v1/registry/exports/{export_id}"
    assert problem(await client.post(f"{path}/confirm"))[:2] == (403, "forbidden")
    for decision in ("confirm", "reimport"):
        assert (await registrar.post(f"{path}/{decision}")).status_code == 201
    listed = (await client.get("/v1/registry/exports")).json()["items"]
    assert [item["status"] for item in listed] == ["reimported"]
    lineage = checked(
        await exchange.public.get(f"/v1/registry/batches/{batch['batch_id']}/lineage"),
        registry_work_answers.Lineage,
    )
    assert [
        (item["kind"], item["from_status"], item["to_status"]) for item in lineage["items"]
    ] == [
        ("reimport", "exported", "held"),
        ("export_confirm", "pending_export", "exported"),
        ("export", "held", "pending_export"),
        ("issue", None, "held"),
    ]
    cancelled = await client.post(
        "/v1/registry/cancellations",
        json={"quantity": "1", "batch_id": batch["batch_id"], "reason": "error"},
    )
    assert cancelled.status_code == 201


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "path",
    [
        "methodologies/M/versions",
        "projects/P/monitoring",
        "monitoring/R/verification",
        "imports",
        "freezes",
    ],
)
async def test_only_the_registrar_works_for_the_registry(shared_exchange, path):
    bodies = {
        "methodologies/M/versions": VERSION,
        "projects/P/monitoring": REPORT,
        "monitoring/R/verification": {"verifier": "v", "quantity": "1"},
        "imports": IMPORT | {"project_id": "P"},
        "freezes": {"account": "maker", "quantity": "1", "reason": "r", "batch_id": "B"},
    }
    for username in ("enterprise", "auditor", "operator"):
        refused = await shared_exchange.client(username).post(
            f"/v1/registry/{path}", json=bodies[path]
        )
        assert problem(refused)[:2] == (403, "forbidden"), username


@pytest.mark.asyncio(loop_scope="module")
async def test_the_document_describes_every_answer(shared_exchange):
    document = (await shared_exchange.public.get("/openapi.json")).json()
    for method, path in REGISTRY_WORK_ANSWERS:
        responses = document["paths"][path][method.lower()]["responses"]
        successes = [code for code in responses if code.startswith("2")]
        assert successes, path
        for code in successes:
            assert "$ref" in responses[code]["content"]["application/json"]["schema"]
