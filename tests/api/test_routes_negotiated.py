"""Block trades, one-way auctions and listed selection over HTTP, from request to balance."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from exchange_driver import Exchange

from api import answers
from api import negotiation_answers as negotiated
from settlement import one_way_auctions

SYMBOL = "GD-PHCER"
BLOCK = {
    "client_order_id": "block-1",
    "symbol": SYMBOL,
    "side": "sell",
    "price": "60.00",
    "quantity": "100000",
    "counterparty": "enterprise",
}


def checked(answer: httpx.Response, into: type, status_code: int = 200) -> dict[str, Any]:
    """The answer's content, which is as the OpenAPI document says."""
    assert answer.status_code == status_code, answer.text
    msgspec.convert(answer.json(), into)
    content: dict[str, Any] = answer.json()
    return content


def problem(answer: httpx.Response) -> tuple[int, str, str | None]:
    content = answer.json()
    return answer.status_code, content["code"], content.get("field")


async def credits(client: httpx.AsyncClient) -> dict[str, str]:
    found: dict[str, str] = (await client.get("/v1/balances")).json()["credits"][SYMBOL]
    return found


async def test_a_block_trade_from_proposal_to_settlement(exchange: Exchange) -> None:
    """Proposed, listed to both, accepted, traded at its own price; the market's figures stand."""
    maker, enterprise = exchange.client("maker"), exchange.client("enterprise")
    proposed = checked(await maker.post("/v1/block-trades", json=BLOCK), negotiated.BlockTrade, 201)
    assert (proposed["status"], proposed["role"]) == ("proposed", "proposer")
    assert (await credits(maker))["held"] == "100000"
    again = checked(await maker.post("/v1/block-trades", json=BLOCK), negotiated.BlockTrade)
    assert again == proposed | {"replayed": True}
    other = await maker.post("/v1/block-trades", json=BLOCK | {"price": "60.01"})
    assert problem(other) == (409, "duplicate_client_order_id", "client_order_id")

    path = f"/v1/block-trades/{proposed['block_trade_id']}"
    assert problem(await exchange.client("organiser").get(path)) == (404, "not_found", None)
    listed = checked(await enterprise.get("/v1/block-trades"), negotiated.BlockTrades)
    assert [item["role"] for item in listed["items"]] == ["counterparty"]
    book = (await exchange.public.get(f"/v1/market/{SYMBOL}/book")).json()
    assert (book["bids"], book["asks"]) == ([], [])

    done = checked(await enterprise.post(f"{path}/accept"), negotiated.BlockTrade)
    assert done["status"] == "completed"
    assert done["order_id"] != checked(await maker.get(path), negotiated.BlockTrade)["order_id"]
    assert (await credits(enterprise))["locked_today"] == "100000"
    [fill] = (await enterprise.get("/v1/fills")).json()["items"]
    assert (fill["price"], fill["quantity"], fill["side"]) == ("60.00", "100000", "buy")
    ticker = (await exchange.public.get(f"/v1/market/{SYMBOL}/ticker")).json()
    assert (ticker["last"], ticker["volume"]) == (None, "0")
    assert ticker["negotiated_volume"] == "100000"
    [shown] = (await exchange.public.get(f"/v1/market/{SYMBOL}/trades")).json()["items"]
    assert (shown["type"], shown["price"]) == ("block", "60.00")
    order = checked(await maker.get(f"/v1/orders/{proposed['order_id']}"), answers.Order)
    assert (order["type"], order["status"]) == ("block", "filled")


async def test_what_a_block_trade_may_not_be(exchange: Exchange) -> None:
    """Refusals carry the contract's codes, and their own sentence in both languages."""
    maker = exchange.client("maker")
    for changes, expected in (
        ({"quantity": "99999"}, (400, "invalid_request", "quantity")),
        ({"price": "65.01"}, (422, "price_outside_limits", "price")),
        ({"quantity": "500001"}, (422, "insufficient_credits", "quantity")),
        ({"counterparty": "nobody"}, (404, "not_found", "counterparty")),
        ({"counterparty": "maker"}, (422, "would_self_trade", "counterparty")),
    ):
        body = BLOCK | {"client_order_id": f"c-{expected[1]}"[:16]} | changes
        answer = await maker.post("/v1/block-trades", json=body)
        assert problem(answer) == expected, answer.text
    headers = {"Accept-Language": "zh"}
    body = BLOCK | {"client_order_id": "zh", "quantity": "5"}
    refused = await maker.post("/v1/block-trades", json=body, headers=headers)
    assert refused.json()["detail"] == "quantity：数量低于大宗协议交易的最低限额。"


async def test_the_operator_opens_and_closes_the_window(exchange: Exchange) -> None:
    """Rules are shown with the instrument; a proposal ends with its window."""
    maker, operator = exchange.client("maker"), exchange.client("operator")
    proposed = (await maker.post("/v1/block-trades", json=BLOCK)).json()
    rules = {"symbol": SYMBOL, "minimum": "10", "price_limit": "0.2", "is_open": False}
    assert problem(await maker.post("/v1/operator/block-rules", json=rules))[1] == "forbidden"
    shown = checked(await operator.post("/v1/operator/block-rules", json=rules), answers.Instrument)
    assert shown["block"] == {
        "is_open": False,
        "minimum": "10",
        "price_limit": "0.2",
        "lower_limit": "40.00",
        "upper_limit": "60.00",
    }
    order = (await maker.get(f"/v1/orders/{proposed['order_id']}")).json()
    assert order["cancel_reason"] == "block_window_closed"
    late = await maker.post("/v1/block-trades", json=BLOCK | {"client_order_id": "late"})
    assert problem(late) == (422, "market_closed", None)


async def test_each_party_ends_a_proposal_in_its_own_way(exchange: Exchange) -> None:
    """The proposer withdraws, the counterparty rejects; nothing stays held."""
    maker, enterprise = exchange.client("maker"), exchange.client("enterprise")
    one = (await maker.post("/v1/block-trades", json=BLOCK)).json()["block_trade_id"]
    assert problem(await enterprise.delete(f"/v1/block-trades/{one}"))[1] == "forbidden"
    gone = checked(await maker.delete(f"/v1/block-trades/{one}"), negotiated.BlockTrade)
    assert gone["status"] == "withdrawn"
    two = await maker.post("/v1/block-trades", json=BLOCK | {"client_order_id": "two"})
    path = f"/v1/block-trades/{two.json()['block_trade_id']}"
    rejected = checked(await enterprise.post(f"{path}/reject"), negotiated.BlockTrade)
    assert rejected["status"] == "rejected"
    assert problem(await enterprise.post(f"{path}/accept"))[:2] == (409, "conflict")
    assert (await credits(maker))["held"] == "0"


def auction(**changes: str) -> dict[str, str]:
    """The maker sells 1,000 t; bids are taken from now on for an hour."""
    now = datetime.now(UTC)
    return {
        "symbol": SYMBOL,
        "side": "sell",
        "quantity": "1000",
        "reserve_price": "45.00",
        "mode": "uniform",
        "starts_at": (now - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "ends_at": (now + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "notice": "户用光伏减排量 1,000 吨",
    } | changes


async def published(exchange: Exchange, **changes: str) -> str:
    made = checked(
        await exchange.client("maker").post("/v1/auctions", json=auction(**changes)),
        negotiated.Auction,
        201,
    )
    path = f"/v1/operator/auctions/{made['auction_id']}/publish"
    checked(await exchange.client("operator").post(path), negotiated.Auction)
    return f"/v1/auctions/{made['auction_id']}"


async def test_a_one_way_auction_from_notice_to_results(exchange: Exchange) -> None:
    """Bids stay sealed until the close; then the results are everybody's, without names."""
    enterprise, organiser = exchange.client("enterprise"), exchange.client("organiser")
    path = await published(exchange)
    for client, name, price, quantity in (
        (enterprise, "e1", "47.00", "600"),
        (organiser, "o1", "48.00", "700"),
        (organiser, "o2", "46.00", "100"),
    ):
        body = {"client_order_id": name, "price": price, "quantity": quantity}
        checked(await client.post(f"{path}/bids", json=body), negotiated.AuctionBid, 201)
    again = await enterprise.post(
        f"{path}/bids", json={"client_order_id": "e1", "price": "47.00", "quantity": "600"}
    )
    assert checked(again, negotiated.AuctionBid)["replayed"]
    public = checked(await exchange.public.get(path), negotiated.Auction)
    assert (public["status"], public["results"]) == ("published", [])
    own = checked(await organiser.get(f"{path}/bids"), negotiated.AuctionBids)["items"]
    assert [item["client_order_id"] for item in own] == ["o1", "o2"]
    assert problem(await enterprise.delete(f"{path}/bids/{own[0]['bid_id']}"))[0] == 404
    assert problem(await organiser.delete(f"/v1/orders/{own[0]['order_id']}"))[1] == "conflict"

    auction_id = path.rpartition("/")[2]
    close = f"/v1/operator/auctions/{auction_id}/close"
    assert problem(await exchange.client("operator").post(close))[1] == "conflict"
    gateway = exchange.gateway
    await asyncio.to_thread(
        one_way_auctions.close, gateway.database, gateway.sync_core, auction_id, 2**62
    )
    done = checked(await exchange.public.get(path), negotiated.Auction)
    assert (done["status"], done["sold_quantity"]) == ("completed", "1000")
    assert done["results"] == [
        {"price": "47.00", "quantity": "300"},
        {"price": "47.00", "quantity": "700"},
    ]
    bids = (await organiser.get(f"{path}/bids")).json()["items"]
    assert [(bid["status"], bid["won_price"]) for bid in bids] == [("won", "47.00"), ("lost", None)]
    assert (await credits(enterprise))["locked_today"] == "300"
    ticker = (await exchange.public.get(f"/v1/market/{SYMBOL}/ticker")).json()
    assert (ticker["volume"], ticker["negotiated_volume"]) == ("0", "1000")


async def test_an_auction_is_public_once_it_is_published(exchange: Exchange) -> None:
    """Until then only its initiator and the operator see it, and the initiator may take it back."""
    maker, operator = exchange.client("maker"), exchange.client("operator")
    key = {"Idempotency-Key": "lot-1"}
    body = auction()
    made = (await maker.post("/v1/auctions", json=body, headers=key)).json()
    again = (await maker.post("/v1/auctions", json=body, headers=key)).json()
    assert again == made
    path = f"/v1/auctions/{made['auction_id']}"
    assert problem(await exchange.public.get(path)) == (404, "not_found", None)
    assert (await exchange.public.get("/v1/auctions")).json()["items"] == []
    [own] = (await maker.get("/v1/auctions/own")).json()["items"]
    assert own["status"] == "submitted"
    [seen] = (await operator.get("/v1/operator/auctions")).json()["items"]
    assert seen == own
    assert checked(await maker.delete(path), negotiated.Auction)["status"] == "withdrawn"
    rejected = (await maker.post("/v1/auctions", json=auction())).json()
    path = f"/v1/operator/auctions/{rejected['auction_id']}/reject"
    assert checked(await operator.post(path), negotiated.Auction)["status"] == "rejected"
    assert (await credits(maker))["held"] == "0"


async def test_an_auction_closes_by_itself(exchange: Exchange) -> None:
    """When its end has come, without anybody asking."""
    soon = (datetime.now(UTC) + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    path = await published(exchange, ends_at=soon)
    bid = {"client_order_id": "e1", "price": "50.00", "quantity": "10"}
    await exchange.client("enterprise").post(f"{path}/bids", json=bid)
    async with asyncio.timeout(30):
        # Nothing tells that it is over but the auction itself.
        while (await exchange.public.get(path)).json()["status"] != "completed":  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert (await credits(exchange.client("enterprise")))["locked_today"] == "10"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ends_at": "2020-01-01T00:00:00.000000Z"}, "ends_at"),
        ({"share_cap": "1.1"}, "share_cap"),
        ({"share_cap": "0"}, "share_cap"),
        ({"notice": ""}, "notice"),
        ({"quantity": "0"}, "quantity"),
        ({"reserve_price": "0"}, "reserve_price"),
        ({"starts_at": "tomorrow"}, "starts_at"),
    ],
)
async def test_what_an_auction_may_not_be(
    exchange: Exchange, changes: dict[str, str], field: str
) -> None:
    """Each field is checked before anything is reserved."""
    answer = await exchange.client("maker").post("/v1/auctions", json=auction(**changes))
    assert problem(answer) == (400, "invalid_request", field)


async def test_a_shown_order_is_taken_by_its_id(exchange: Exchange) -> None:
    """Listed selection: anonymous listings, a trade past a better price, refusals by code."""
    maker, enterprise = exchange.client("maker"), exchange.client("enterprise")
    for name, price in (("s1", "50.00"), ("s2", "50.50")):
        order = {
            "client_order_id": name,
            "symbol": SYMBOL,
            "side": "sell",
            "type": "limit",
            "price": price,
            "quantity": "10",
        }
        await maker.post("/v1/orders", json=order)
    path = f"/v1/market/{SYMBOL}/listings"
    listed = checked(await exchange.public.get(path), negotiated.Listings)["items"]
    assert [(item["price"], item["quantity"]) for item in listed] == [
        ("50.00", "10"),
        ("50.50", "10"),
    ]
    take = f"{path}/{listed[1]['order_id']}/take"
    body = {"client_order_id": "t1", "price": "50.50", "quantity": "4"}
    taken = checked(await enterprise.post(take, json=body), answers.Order, 201)
    assert (taken["status"], taken["average_price"]) == ("filled", "50.50")
    assert checked(await enterprise.post(take, json=body), answers.Order)["replayed"]
    listed = (await exchange.public.get(path)).json()["items"]
    assert [item["quantity"] for item in listed] == ["10", "6"]
    [shown] = (await exchange.public.get(f"/v1/market/{SYMBOL}/trades")).json()["items"]
    assert shown["type"] == "listed"

    more = await enterprise.post(take, json=body | {"client_order_id": "t2", "quantity": "7"})
    assert problem(more)[:2] == (409, "conflict")
    less = await enterprise.post(take, json=body | {"client_order_id": "t3", "price": "50.49"})
    assert problem(less)[:2] == (409, "conflict")
    own = await maker.post(take, json=body | {"client_order_id": "t4"})
    assert problem(own)[1] == "would_self_trade"
    nowhere = await enterprise.post(f"{path}/5/take", json=body | {"client_order_id": "t5"})
    assert problem(nowhere) == (404, "not_found", None)
    await maker.delete(f"/v1/orders/{listed[1]['order_id']}")
    gone = await enterprise.post(take, json=body | {"client_order_id": "t6"})
    assert problem(gone)[:2] == (409, "order_not_open")
