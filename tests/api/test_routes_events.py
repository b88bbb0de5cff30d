"""Events over HTTP: from the plan to a certificate that is checked offline, and who sees what."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import msgspec
import pytest
from exchange_driver import Exchange
from typer.testing import CliRunner

from api import event_answers as answers
from api import order_entry
from api.cli_certificate import app as certificate_command
from api.core_client import ExecutionUnknown

EVENT: dict[str, Any] = {
    "name": "低碳论坛 2026",
    "category": "forum",
    "attendees": 300,
    "starts_at": "2026-11-01T01:00:00Z",
    "ends_at": "2026-11-01T09:00:00Z",
    "sources": [
        {"source": "electricity", "activity": "grid", "amount": "12000", "unit": "kWh"},
        {"source": "transport", "activity": "rail", "amount": "98000", "unit": "passenger_km"},
    ],
}
AHEAD = EVENT | {"starts_at": "2096-11-01T01:00:00Z", "ends_at": "2096-11-01T09:00:00Z"}
OFFSET = {"symbol": "GD-PHCER", "max_price": "50.20"}
REQUIRED = 10  # 12,000 kWh and 98,000 passenger km are 9,845.22 kg


def checked(answer: httpx.Response, into: type, status_code: int = 200) -> dict[str, Any]:
    """The answer's content, which is as the OpenAPI document says."""
    assert answer.status_code == status_code, answer.text
    msgspec.convert(answer.json(), into)
    return answer.json()


def problem(answer: httpx.Response) -> tuple[int, str, str | None]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    content = answer.json()
    return answer.status_code, content["code"], content.get("field")


async def create(exchange: Exchange, body: dict[str, Any] = EVENT, **headers: str) -> str:
    client = exchange.client("organiser")
    answer = await client.post("/v1/events", json=body, headers=headers)
    return checked(answer, answers.Event, 201)["event_id"]


async def offer(exchange: Exchange, quantity: str, number: int = 1) -> None:
    """The maker sells at 50.10."""
    body = {
        "client_order_id": f"offer-{number}",
        "symbol": "GD-PHCER",
        "side": "sell",
        "type": "limit",
        "price": "50.10",
        "quantity": quantity,
    }
    answer = await exchange.client("maker").post("/v1/orders", json=body)
    assert answer.status_code == 201, answer.text


async def offset(exchange: Exchange, event_id: str, **changes: str) -> dict[str, Any]:
    url = f"/v1/events/{event_id}/offset"
    answer = await exchange.client("organiser").post(url, json=OFFSET | changes)
    return checked(answer, answers.EventOffset, 201)


async def settle(exchange: Exchange) -> dict[str, Any]:
    operator = exchange.client("operator")
    day = (await operator.get("/v1/instruments/GD-PHCER")).json()["trading_day"]
    answer = await operator.post("/v1/operator/settlements", json={"date": day})
    run_id = answer.json()["run_id"]
    while True:
        run = (await operator.get(f"/v1/operator/settlements/{run_id}")).json()
        if run["status"] != "running":
            assert (run["status"], run["breaks"]) == ("completed", [])
            return run
        await asyncio.sleep(0.02)


async def show(exchange: Exchange, event_id: str) -> dict[str, Any]:
    return checked(await exchange.public.get(f"/v1/events/{event_id}"), answers.Event)


async def test_from_an_event_to_a_certificate_verified_offline(exchange, tmp_path):
    event_id = await create(exchange)
    await offer(exchange, "100")
    asked = await offset(exchange, event_id)
    order = asked["order"]
    assert (order["status"], order["filled_quantity"]) == ("filled", str(REQUIRED))
    assert (order["purpose"], order["event_id"]) == ("event", event_id)
    assert (asked["status"], asked["missing"]) == ("offsetting", str(REQUIRED))
    # Bought today, retired only when it is delivered; asking again buys nothing more.
    again = await offset(exchange, event_id)
    assert (again["order"], again["status"]) == (None, "offsetting")

    await settle(exchange)
    shown = await show(exchange, event_id)
    assert (shown["status"], shown["retired"], shown["missing"]) == ("neutral", "10", "0")
    [certificate] = shown["certificates"]
    assert certificate["event_id"] == event_id
    assert certificate["beneficiary"] == shown["organiser"]
    assert "低碳论坛 2026" in certificate["reason"]
    assert sum(int(part["quantity"]) for part in certificate["serials"]) == REQUIRED
    after = await offset(exchange, event_id)
    assert (after["order"], len(after["certificates"])) == (None, 1)
    await settle(exchange)
    assert (await show(exchange, event_id))["certificates"] == [certificate]

    url = f"/v1/verify/{certificate['certificate_id']}"
    signed = checked(await exchange.public.get(f"{url}/signed"), answers.SignedCertificate)
    assert signed["certificate"] == certificate
    key = checked(await exchange.public.get("/v1/verify-key"), answers.VerifyKey)["public_key"]
    document = tmp_path / "certificate.json"
    document.write_text(json.dumps(signed, indent=2))
    done = CliRunner().invoke(certificate_command, ["verify", str(document), "--key", key])
    assert (done.exit_code, certificate["certificate_id"] in done.stdout) == (0, True)
    assert certificate["serials"][0]["start"] in done.stdout
    signed["certificate"]["quantity"] = "1000"
    document.write_text(json.dumps(signed))
    done = CliRunner().invoke(certificate_command, ["verify", str(document), "--key", key])
    assert (done.exit_code, "not genuine" in done.stderr) == (1, True)

    pdf = await exchange.client("organiser").get(
        f"/v1/registry/retirements/{certificate['certificate_id']}",
        headers={"Accept": "application/pdf"},
    )
    assert pdf.content.startswith(b"%PDF")


async def test_the_plan_is_published_before_and_the_data_come_after(exchange):
    organiser = exchange.client("organiser")
    event_id = await create(exchange, AHEAD)
    url = f"/v1/events/{event_id}"
    assert problem(await exchange.public.get(url)) == (404, "not_found", None)
    assert problem(await exchange.client("enterprise").get(url)) == (404, "not_found", None)
    assert checked(await organiser.get(url), answers.Event)["status"] == "draft"
    changed = await organiser.patch(url, json={"measures": "无纸化会议", "attendees": "2000"})
    shown = checked(changed, answers.Event)
    assert (shown["measures"], shown["size"], shown["name"]) == (
        "无纸化会议",
        "large",
        AHEAD["name"],
    )
    published = checked(await organiser.post(f"{url}/publish"), answers.Event)
    assert published["status"] == "planned"
    assert published["deadline"] == "2097-11-01T09:00:00.000000Z"
    assert await show(exchange, event_id) == published
    assert problem(await organiser.patch(url, json={"name": "x"})) == (409, "conflict", None)
    early = await organiser.post(f"{url}/activity", json={"sources": EVENT["sources"]})
    assert problem(early) == (409, "conflict", None)
    cancelled = checked(await organiser.delete(url), answers.Event)
    assert cancelled["status"] == "cancelled"
    late = await organiser.post(f"{url}/offset", json=OFFSET)
    assert problem(late) == (409, "conflict", None)


async def test_lists_and_rules(exchange):
    organiser = exchange.client("organiser")
    draft, public = await create(exchange, AHEAD), await create(exchange, AHEAD)
    await organiser.post(f"/v1/events/{public}/publish")

    async def listed(client: httpx.AsyncClient, query: str = "") -> list[str]:
        content = checked(await client.get(f"/v1/events{query}"), answers.Events)
        return [item["event_id"] for item in content["items"]]

    assert await listed(organiser) == [public, draft]
    assert await listed(organiser, "?published=true") == [public]
    assert await listed(exchange.public) == [public]
    assert await listed(exchange.client("enterprise")) == []
    first = (await organiser.get("/v1/events?limit=1")).json()
    assert await listed(organiser, f"?cursor={first['next_cursor']}") == [draft]
    wrong = {"Authorization": "Bearer nobody"}
    assert problem(await exchange.public.get("/v1/events", headers=wrong))[0] == 401
    found = checked(await exchange.public.get("/v1/events/rules"), answers.EventRules)
    grid = next(one for one in found["factors"] if one["activity"] == "grid")
    assert (grid["kilograms"], grid["units"], grid["year"]) == ("0.5306", ["kWh", "MWh"], 2023)


async def test_the_same_key_makes_one_event(exchange):
    headers = {"Idempotency-Key": "forum"}
    assert await create(exchange, **headers) == await create(exchange, **headers)
    other = await exchange.client("organiser").post(
        "/v1/events", json=EVENT | {"attendees": 1}, headers=headers
    )
    assert problem(other) == (409, "conflict", "Idempotency-Key")


async def test_only_organisers_act_and_only_on_their_own(exchange):
    event_id = await create(exchange)
    for username in ("enterprise", "maker", "operator"):
        answer = await exchange.client(username).post("/v1/events", json=EVENT)
        assert problem(answer)[:2] == (403, "forbidden")
        url = f"/v1/events/{event_id}/offset"
        assert problem(await exchange.client(username).post(url, json=OFFSET))[0] == 403
    assert problem(await exchange.public.post("/v1/events", json=EVENT))[0] == 401
    url = "/v1/events/EV-000000000000/offset"
    answer = await exchange.client("organiser").post(url, json=OFFSET)
    assert problem(answer)[:2] == (404, "not_found")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"category": "party"}, "category"),
        *(({"attendees": wrong}, "attendees") for wrong in (0, -1, "1.5", "x", 10**9)),
        ({"starts_at": "tomorrow"}, "starts_at"),
        ({"ends_at": EVENT["starts_at"]}, "ends_at"),
        ({"sources": []}, "sources"),
        ({"sources": EVENT["sources"] * 101}, "sources"),
        *(
            ({"sources": [EVENT["sources"][0] | {name: wrong}]}, f"sources[0].{name}")
            for name, wrong in (
                *(("source", "sun"), ("activity", "solar"), ("unit", "m3")),
                *(("amount", "-1"), ("amount", "1e9"), ("amount", "1.2345")),
            )
        ),
    ],
)
async def test_a_wrong_field_is_named(shared_exchange, changes, field):
    organiser = shared_exchange.client("organiser")
    answer = await organiser.post("/v1/events", json=EVENT | changes)
    assert problem(answer) == (400, "invalid_request", field)
    chinese = await organiser.post(
        "/v1/events", json=EVENT | changes, headers={"Accept-Language": "zh"}
    )
    assert chinese.json()["detail"].startswith(f"{field}：")


async def test_a_refused_order_leaves_the_draft_as_it_was(exchange):
    event_id = await create(exchange)
    organiser, url = exchange.client("organiser"), f"/v1/events/{event_id}"
    for changes, refused in (
        ({"max_price": "80.00"}, (422, "price_outside_limits", "price")),
        ({"max_price": "50.001"}, (422, "price_off_tick", "max_price")),
        ({"symbol": "NOBODY"}, (404, "unknown_instrument", "symbol")),
    ):
        answer = await organiser.post(f"{url}/offset", json=OFFSET | changes)
        assert problem(answer) == refused
        shown = (await organiser.get(url)).json()
        assert (shown["status"], shown["symbol"], shown["published_at"]) == ("draft", None, None)
    await offer(exchange, "10")
    assert (await offset(exchange, event_id))["order"]["status"] == "filled"


async def test_what_is_held_and_what_is_open_counts(exchange):
    """4 t are bought before, 5 t are there to be had, and the rest is bought the next day."""
    organiser = exchange.client("organiser")
    await offer(exchange, "9")
    bought = {
        "client_order_id": "before",
        "symbol": "GD-PHCER",
        "side": "buy",
        "type": "limit",
        "price": "50.10",
        "quantity": "4",
    }
    assert (await organiser.post("/v1/orders", json=bought)).status_code == 201
    first, second = await create(exchange), await create(exchange)
    order = (await offset(exchange, first))["order"]
    assert (order["quantity"], order["remaining_quantity"]) == ("6", "1")
    # Nothing of what the first event waits for is the second's.
    order = (await offset(exchange, second))["order"]
    assert order["quantity"] == str(REQUIRED)
    assert (await offset(exchange, first))["order"] is None
    await settle(exchange)
    assert (await show(exchange, first))["status"] == "offsetting"
    await offer(exchange, "11", 2)
    await settle(exchange)
    for event_id in (first, second):
        shown = await show(exchange, event_id)
        assert (shown["status"], len(shown["certificates"])) == ("neutral", 1)


async def test_credits_that_are_free_are_retired_at_once(exchange):
    await offer(exchange, "20")
    event_id = await create(exchange)
    await offset(exchange, event_id)
    body = {
        "client_order_id": "more",
        "symbol": "GD-PHCER",
        "side": "buy",
        "type": "limit",
        "price": "50.10",
        "quantity": "10",
    }
    assert (await exchange.client("organiser").post("/v1/orders", json=body)).status_code == 201
    await settle(exchange)
    other = await create(exchange)
    shown = await offset(exchange, other)
    assert (shown["order"], shown["status"]) == (None, "neutral")


async def test_requests_at_the_same_time_buy_once(exchange):
    await offer(exchange, "100")
    event_id = await create(exchange)
    url = f"/v1/events/{event_id}/offset"
    client = exchange.client("organiser")
    found = await asyncio.gather(*(client.post(url, json=OFFSET) for _ in range(8)))
    assert {answer.status_code for answer in found} <= {201, 409}
    orders = (await client.get("/v1/orders")).json()["items"]
    assert [(order["quantity"], order["event_id"]) for order in orders] == [("10", event_id)]


async def test_an_order_whose_answer_was_lost_is_sent_again_and_entered_once(exchange, monkeypatch):
    await offer(exchange, "100")
    event_id = await create(exchange)
    sent = exchange.gateway.core.submit

    async def lose(commands):
        await sent(commands)
        raise ExecutionUnknown("cut")

    client, url = exchange.client("organiser"), f"/v1/events/{event_id}/offset"
    with monkeypatch.context() as patch:
        patch.setattr(exchange.gateway.core, "submit", lose)
        assert problem(await client.post(url, json=OFFSET))[:2] == (504, "execution_unknown")
    order = (await offset(exchange, event_id))["order"]
    assert order["status"] == "filled"
    assert len((await client.get("/v1/orders")).json()["items"]) == 1


async def test_an_order_that_was_never_sent_is_sent_by_the_next_request(exchange, monkeypatch):
    await offer(exchange, "100")
    event_id = await create(exchange)

    async def die(*_: Any) -> None:
        raise ExecutionUnknown("killed before it was sent")

    client, url = exchange.client("organiser"), f"/v1/events/{event_id}/offset"
    with monkeypatch.context() as patch:
        patch.setattr(order_entry, "_submit", die)
        assert problem(await client.post(url, json=OFFSET))[:2] == (504, "execution_unknown")
    assert (await client.get("/v1/orders")).json()["items"] == []
    order = (await offset(exchange, event_id))["order"]
    assert (order["status"], order["quantity"]) == ("filled", "10")


async def test_an_order_may_name_ones_own_event(exchange):
    event_id = await create(exchange)
    body = {
        "client_order_id": "own",
        "symbol": "GD-PHCER",
        "side": "buy",
        "type": "limit",
        "price": "50.10",
        "quantity": "3",
        "purpose": "event",
        "event_id": event_id,
    }
    organiser = exchange.client("organiser")
    placed = await organiser.post("/v1/orders", json=body)
    assert (placed.status_code, placed.json()["event_id"]) == (201, event_id)
    again = await organiser.post("/v1/orders", json=body)
    assert (again.status_code, again.json()["replayed"]) == (200, True)
    other = await create(exchange)
    answer = await organiser.post("/v1/orders", json=body | {"event_id": other})
    assert problem(answer) == (409, "duplicate_client_order_id", "client_order_id")
    for changes in ({"purpose": "voluntary"}, {"side": "sell"}):
        answer = await organiser.post("/v1/orders", json=body | changes)
        assert problem(answer) == (400, "invalid_request", "event_id")
    answer = await exchange.client("enterprise").post("/v1/orders", json=body)
    assert problem(answer) == (404, "not_found", "event_id")
    # What is open for the event is not bought twice.
    assert (await offset(exchange, event_id))["order"]["quantity"] == "7"
    retirement = {
        "quantity": "1",
        "symbol": "GD-PHCER",
        "beneficiary": "x",
        "reason": "x",
        "event_id": event_id,
    }
    answer = await exchange.client("maker").post("/v1/registry/retirements", json=retirement)
    assert problem(answer) == (404, "not_found", "event_id")
