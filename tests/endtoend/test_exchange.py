"""From an order to a retired credit, over restarts and kills, as clients see it."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from serve_driver import ExchangeClient, RunningExchange, wait_until

SYMBOL = "GD-PHCER"


def order(client_order_id: str, **changes: Any) -> dict[str, Any]:
    plain = {
        "client_order_id": client_order_id,
        "symbol": SYMBOL,
        "side": "buy",
        "type": "limit",
        "price": "51.00",
        "quantity": "100",
    }
    return plain | changes


def settle(operator: ExchangeClient) -> dict[str, Any]:
    """Settle the present trading day to its end."""
    day = operator.expect(200, "GET", f"/v1/instruments/{SYMBOL}")["trading_day"]
    body = {"date": day}
    run_id = operator.expect(202, "POST", "/v1/operator/settlements", json=body)["run_id"]
    runs: list[dict[str, Any]] = []

    def is_done() -> bool:
        runs.append(operator.expect(200, "GET", f"/v1/operator/settlements/{run_id}"))
        assert runs[-1]["error"] is None
        return runs[-1]["status"] == "completed"

    wait_until(is_done, 60.0)
    problem = operator.refused("already_settled", "POST", "/v1/operator/settlements", json=body)
    assert problem["run_id"] == run_id
    return runs[-1]


def test_from_an_order_to_a_retired_credit(exchange: RunningExchange) -> None:
    """Buy from the maker's quote, settle the day, hold the block, retire it, verify it."""
    with exchange.client("enterprise") as buyer, exchange.client("operator") as operator:
        ask = buyer.best_ask(SYMBOL)
        bought = buyer.expect(201, "POST", "/v1/orders", json=order("first", price=ask))
        assert (bought["status"], bought["filled_quantity"]) == ("filled", "100")
        assert bought["average_price"] == bought["fills"][0]["price"] == ask
        [fill] = buyer.expect(200, "GET", "/v1/fills")["items"]
        assert bought["fills"][0].items() <= fill.items()
        credits_before = buyer.expect(200, "GET", "/v1/balances")["credits"][SYMBOL]
        assert credits_before == {"available": "0", "held": "0", "locked_today": "100"}
        sale = order("too-early", side="sell", price="50.00", quantity="1")
        buyer.refused("resale_locked", "POST", "/v1/orders", json=sale)

        run = settle(operator)
        assert (run["breaks"], run["totals"]["volume"]) == ([], "100")
        agreed = operator.expect(200, "GET", "/v1/operator/reconciliation")
        assert (agreed["status"], agreed["breaks"]) == ("agreed", [])

        credits_after = buyer.expect(200, "GET", "/v1/balances")["credits"][SYMBOL]
        assert credits_after == {"available": "100", "held": "0", "locked_today": "0"}
        [block] = buyer.expect(200, "GET", "/v1/registry/holdings")["items"]
        assert (block["symbol"], block["quantity"], block["status"]) == (SYMBOL, "100", "custody")

        retirement = {
            "quantity": "40",
            "symbol": SYMBOL,
            "beneficiary": "Demo enterprise",
            "reason": "Business travel in 2026",
        }
        retired = buyer.expect(201, "POST", "/v1/registry/retirements", json=retirement)
        assert sum(int(serials["quantity"]) for serials in retired["serials"]) == 40
        with exchange.client() as anyone:
            shown = anyone.expect(200, "GET", f"/v1/verify/{retired['certificate_id']}")
        assert (shown["valid"], shown["quantity"], shown["beneficiary"]) == (
            True,
            "40",
            "Demo enterprise",
        )
        left = buyer.expect(200, "GET", "/v1/balances")["credits"][SYMBOL]
        assert left["available"] == "60"
        agreed = operator.expect(200, "GET", "/v1/operator/reconciliation")
        assert (agreed["status"], agreed["breaks"]) == ("agreed", [])

        # The market is open again, on the next day, and what was bought may be sold.
        exchange.await_quotes()
        sale = order("sale", side="sell", price="49.00", quantity="60")
        assert buyer.expect(201, "POST", "/v1/orders", json=sale)["status"] == "filled"


def test_an_event_from_its_plan_to_a_certificate_checked_offline(
    exchange: RunningExchange, tmp_path: Path
) -> None:
    """Buy what the footprint needs, lose the core, settle the day: retired once, and proven."""
    event = {
        "name": "低碳论坛 2026",
        "category": "forum",
        "attendees": 300,
        "starts_at": "2026-11-01T01:00:00Z",
        "ends_at": "2026-11-01T09:00:00Z",
        "sources": [{"source": "electricity", "activity": "grid", "amount": "18.5", "unit": "MWh"}],
    }
    with exchange.client("organiser") as organiser, exchange.client("operator") as operator:
        url = f"/v1/events/{organiser.expect(201, 'POST', '/v1/events', json=event)['event_id']}"
        wanted = {"symbol": SYMBOL, "max_price": "51.00"}
        order_placed = organiser.expect(201, "POST", f"{url}/offset", json=wanted)["order"]
        assert (order_placed["status"], order_placed["filled_quantity"]) == ("filled", "10")
        exchange.kill_core()
        exchange.await_ready()
        run = settle(operator)
        assert run["breaks"] == []
        with exchange.client() as anyone:
            shown = anyone.expect(200, "GET", url)
            assert (shown["status"], shown["required"], shown["retired"]) == ("neutral", "10", "10")
            [certificate] = shown["certificates"]
            path = f"/v1/verify/{certificate['certificate_id']}/signed"
            document = tmp_path / "certificate.json"
            document.write_bytes(anyone.get(path).content)
            key = anyone.expect(200, "GET", "/v1/verify-key")["public_key"]
        command = [sys.executable, "-m", "api.cli", "certificate", "verify", str(document)]
        done = subprocess.run([*command, "--key", key], capture_output=True, text=True, check=True)
        assert done.stdout.startswith(f"genuine: {certificate['certificate_id']}, 10 t CO2e")
        assert organiser.expect(201, "POST", f"{url}/offset", json=wanted)["order"] is None
        assert settle(operator)["breaks"] == []
        assert organiser.expect(200, "GET", url)["certificates"] == [certificate]
        exchange.await_quotes()


def test_a_compliance_order_stays_within_the_cap(exchange: RunningExchange) -> None:
    """The engine refuses what would exceed the cap, and counts what is bought against it."""
    with exchange.client("compliance") as firm:
        url = "/v1/compliance/headroom?scheme=demo"
        before = int(firm.expect(200, "GET", url)["headroom"])
        assert before > 0
        purchase = {"purpose": "compliance", "scheme": "demo"}
        beyond = order("beyond", quantity=str(before + 1), **purchase)
        firm.refused("offset_cap_exceeded", "POST", "/v1/orders", json=beyond)
        assert int(firm.expect(200, "GET", url)["headroom"]) == before
        bought = firm.expect(201, "POST", "/v1/orders", json=order("within", **purchase))
        assert (bought["status"], bought["scheme"]) == ("filled", "demo")
        after = firm.expect(200, "GET", url)
        assert (int(after["headroom"]), after["held"]) == (before - 100, "100")
        exactly = order("rest", quantity=str(before - 99), price="49.00", **purchase)
        firm.refused("offset_cap_exceeded", "POST", "/v1/orders", json=exactly)


def test_a_restart_shows_the_same(exchange: RunningExchange) -> None:
    """After a clean stop and start: the same orders, fills, balances and state."""
    with exchange.client("organiser") as buyer:
        buyer.expect(201, "POST", "/v1/orders", json=order("filled"))
        buyer.expect(201, "POST", "/v1/orders", json=order("resting", price="47.00"))
        partly = order("partly", quantity="2000", time_in_force="ioc")
        assert buyer.expect(201, "POST", "/v1/orders", json=partly)["status"] == "cancelled"
        amended = {"quantity": "60"}
        buyer.expect(200, "PATCH", "/v1/orders/client:resting", json=amended)
        paths = ("/v1/orders", "/v1/fills", "/v1/balances")
        before = [buyer.expect(200, "GET", path) for path in paths]
    exchange.stop()
    exchange.start()
    with exchange.client("organiser") as buyer:
        after = [buyer.expect(200, "GET", path) for path in paths]
        for answer in (*before, *after):
            answer.pop("sequence", None)
        assert after == before
        again = buyer.expect(200, "POST", "/v1/orders", json=order("filled"))
        assert (again["replayed"], again["status"]) == (True, "filled")


def test_killing_the_core_loses_nothing_and_doubles_nothing(exchange: RunningExchange) -> None:
    """kill -9 of the core while orders pour in: those acknowledged are there, each once; those
    whose outcome was unknown can be repeated, and are there once too."""
    orders_each, clients = 250, 4
    acknowledged: dict[str, str] = {}
    repeated: list[str] = []
    is_killed = threading.Event()

    def send(number: int) -> None:
        with exchange.client("enterprise") as sender:
            for count in range(orders_each):
                name = f"order-{number}-{count}"
                body = order(name, price="46.00", quantity="1", time_in_force="gtc")
                response = sender.post("/v1/orders", json=body)
                while response.status_code in (503, 504):
                    repeated.append(name)
                    is_killed.wait()
                    exchange.await_ready()
                    response = sender.post("/v1/orders", json=body)
                assert response.status_code in (200, 201), response.text
                acknowledged[name] = response.json()["order_id"]

    with ThreadPoolExecutor(clients) as pool:
        senders = [pool.submit(send, number) for number in range(clients)]
        wait_until(lambda: len(acknowledged) > orders_each, 60.0)
        exchange.kill_core()
        is_killed.set()
        for sender in senders:
            sender.result()

    assert repeated, "the kill came in the middle"
    found: list[tuple[str, str]] = []
    with exchange.client("enterprise") as buyer:
        path = "/v1/orders?status=open&limit=500"
        page = buyer.expect(200, "GET", path)
        found += [(item["client_order_id"], item["order_id"]) for item in page["items"]]
        while page["next_cursor"]:
            page = buyer.expect(200, "GET", f"{path}&cursor={page['next_cursor']}")
            found += [(item["client_order_id"], item["order_id"]) for item in page["items"]]
        assert sorted(found) == sorted(acknowledged.items())
        assert len(found) == orders_each * clients
        levels = buyer.expect(200, "GET", f"/v1/market/{SYMBOL}/book?depth=50")["bids"]
        assert ["46.00", str(len(found)), len(found)] in levels
        cancelled = buyer.expect(200, "DELETE", f"/v1/orders?symbol={SYMBOL}")
        assert cancelled == {"cancelled": len(found)}
        assert buyer.expect(200, "GET", "/v1/balances")["cash"]["CNY"]["held"] == "0.00"
