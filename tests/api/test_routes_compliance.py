"""Compliance over HTTP: schemes, obligations, headroom, surrenders."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from api import compliance_answers as answers


def checked(answer: httpx.Response, into: type, status_code: int = 200) -> dict[str, Any]:
    """The answer's content, which is as the OpenAPI document says."""
    assert answer.status_code == status_code, answer.text
    msgspec.convert(answer.json(), into)
    return answer.json()


def problem(answer) -> tuple[int, str, str | None]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    content = answer.json()
    return answer.status_code, content["code"], content.get("field")


async def demo_year(exchange) -> int:
    schemes = (await exchange.public.get("/v1/schemes")).json()["items"]
    return next(item["year"] for item in schemes if item["scheme"] == "demo")


async def headroom(exchange, year: int | None = None) -> dict[str, str]:
    query = "scheme=demo" if year is None else f"scheme=demo&year={year}"
    answer = await exchange.client("compliance").get(f"/v1/compliance/headroom?{query}")
    return checked(answer, answers.Headroom)


async def give_credits(exchange, quantity: str) -> None:
    """From the demo maker's custody to the compliance account's own keeping."""
    maker = exchange.client("maker")
    withdrawal = {"symbol": "GD-PHCER", "quantity": quantity}
    answer = await maker.post("/v1/registry/withdrawals", json=withdrawal)
    batch_id = answer.json()["serials"][0]["batch_id"]
    transfer = {"to_account": "compliance", "kind": "transfer", "batch_id": batch_id}
    answer = await maker.post("/v1/registry/transfers", json=transfer | {"quantity": quantity})
    assert answer.status_code == 201, answer.text


async def test_schemes_are_public(exchange):
    items = checked(await exchange.public.get("/v1/schemes"), answers.Schemes)["items"]
    assert {"demo", "national"} <= {item["scheme"] for item in items}
    assert {item["ratio"] for item in items if item["scheme"] in ("demo", "national")} == {"0.05"}


async def test_an_obligation_is_surrendered_within_its_cap(exchange):
    year = await demo_year(exchange)
    obligation = {"account": "compliance", "scheme": "demo", "year": year, "base_quantity": "1000"}
    answer = await exchange.client("operator").post("/v1/compliance/obligations", json=obligation)
    assert checked(answer, answers.Obligation, 201)["cap"] == "50"
    assert (await headroom(exchange, year)).items() >= {
        "cap": "50",
        "used": "0",
        "held": "0",
        "open_orders": "0",
        "headroom": "50",
        "scheme_quota_left": "1000000",
    }.items()

    await give_credits(exchange, "80")
    client = exchange.client("compliance")
    before = await exchange.state_hash()
    body = {"scheme": "demo", "year": year, "quantity": "51"}
    for query in ("?dry_run=true", ""):
        refused = await client.post(f"/v1/compliance/surrenders{query}", json=body)
        assert problem(refused)[:2] == (422, "offset_cap_exceeded")
    assert await exchange.state_hash() == before

    body["quantity"] = "30"
    dry = await client.post("/v1/compliance/surrenders?dry_run=true", json=body)
    assert (dry.status_code, dry.json()["certificate_id"]) == (200, None)
    key = {"Idempotency-Key": "s1"}
    done = await client.post("/v1/compliance/surrenders", json=body, headers=key)
    checked(done, answers.RetirementOperation, 201)
    again = await client.post("/v1/compliance/surrenders", json=body, headers=key)
    assert again.json() == done.json()
    left = await headroom(exchange)
    assert (left["used"], left["headroom"], left["scheme_quota_left"]) == ("30", "20", "999970")
    seen = (await exchange.public.get(f"/v1/verify/{done.json()['certificate_id']}")).json()
    assert (seen["scheme"], seen["year"], seen["quantity"]) == ("demo", year, "30")


@pytest.mark.parametrize(
    ("username", "path", "body", "expected"),
    [
        ("operator", "obligations", {"account": "nobody"}, (404, "not_found", "account")),
        ("operator", "obligations", {"scheme": "none"}, (404, "not_found", "scheme")),
        ("operator", "obligations", {"year": 1999}, (400, "invalid_request", "year")),
        (
            "operator",
            "obligations",
            {"base_quantity": 1},
            (400, "invalid_request", "base_quantity"),
        ),
        ("compliance", "obligations", {}, (403, "forbidden", None)),
        ("enterprise", "surrenders", {}, (403, "forbidden", None)),
        ("compliance", "surrenders", {"scheme": "none"}, (404, "not_found", "scheme")),
        ("compliance", "surrenders", {"scheme": "national"}, (422, "not_eligible", "scheme")),
        ("compliance", "surrenders", {"quantity": "0"}, (400, "invalid_request", "quantity")),
        ("compliance", "surrenders", {}, (422, "insufficient_credits", "quantity")),
    ],
)
async def test_what_is_refused_leaves_the_headroom(exchange, username, path, body, expected):
    year = await demo_year(exchange)
    bodies = {
        "obligations": {"account": "compliance", "scheme": "demo", "year": year}
        | {"base_quantity": "1"},
        "surrenders": {"scheme": "demo", "year": year, "quantity": "1"},
    }
    before = await headroom(exchange), await exchange.state_hash()
    client = exchange.client(username)
    answer = await client.post(f"/v1/compliance/{path}", json=bodies[path] | body)
    assert problem(answer) == expected
    assert (await headroom(exchange), await exchange.state_hash()) == before


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("scheme=none", (404, "not_found", "scheme")),
        ("scheme=national", (422, "not_eligible", "scheme")),
        ("scheme=demo&year=1999", (422, "not_eligible", "scheme")),
        ("scheme=demo&year=x", (400, "invalid_request", "year")),
        ("", (400, "invalid_request", "scheme")),
    ],
)
async def test_headroom_of_nothing_is_refused(exchange, query, expected):
    answer = await exchange.client("compliance").get(f"/v1/compliance/headroom?{query}")
    assert problem(answer) == expected
