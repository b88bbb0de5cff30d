"""Two gateways on one port, and the back office, as real processes that are killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from serve_driver import STOP_SECONDS, ExchangeClient, RunningExchange, wait_until
from websockets.sync.client import ClientConnection, connect

SYMBOL = "XM-CER"
CONNECTIONS = 64


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    running = RunningExchange(tmp_path_factory.mktemp("exchange"), workers=2)
    try:
        running.start()
        yield running
    finally:
        running.end()


def order(client_order_id: str) -> dict[str, Any]:
    return {
        "client_order_id": client_order_id,
        "symbol": SYMBOL,
        "side": "buy",
        "type": "limit",
        "price": "46.00",
        "quantity": "1",
    }


def gateway_of(port: int, gateways: list[int]) -> int:
    """Which of the processes holds the other end of the connection from a local port."""
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[2].split(":")[1], 16) == port and fields[3] == "01":
            inodes.add(f"socket:[{fields[9]}]")
    for pid in gateways:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if str(link.readlink()) in inodes:
                    return pid
            except FileNotFoundError:
                continue
    raise AssertionError("nobody has accepted the connection")


def clients_of(exchange: RunningExchange, stack: ExitStack) -> dict[int, ExchangeClient]:
    """A client, logged in as the enterprise, for each gateway."""
    gateways = exchange.processes("gateway")
    assert len(gateways) == 2
    found: dict[int, ExchangeClient] = {}
    for _ in range(CONNECTIONS):
        client = stack.enter_context(exchange.client("enterprise"))
        stream = client._transport._pool.connections[0]._connection._network_stream  # type: ignore[attr-defined]
        local_port = stream.get_extra_info("client_addr")[1]
        found.setdefault(gateway_of(local_port, gateways), client)
        if len(found) == 2:
            return found
    raise AssertionError(f"one gateway took all of {CONNECTIONS} connections")


def stream_of(exchange: RunningExchange, gateway: int, stack: ExitStack) -> ClientConnection:
    """A stream of the enterprise's at this gateway; what it enters goes when it ends."""
    with exchange.client("enterprise") as client:
        token = client.headers["Authorization"].removeprefix("Bearer ")
    for _ in range(CONNECTIONS):
        stream = stack.enter_context(connect(f"{exchange.url}/v1/stream".replace("http", "ws")))
        if gateway_of(stream.socket.getsockname()[1], [*exchange.processes("gateway")]) == gateway:
            ask(stream, "login", {"token": token})
            ask(stream, "cancel_on_disconnect", {"enabled": True})
            return stream
    raise AssertionError(f"the gateway took none of {CONNECTIONS} connections")


def ask(stream: ClientConnection, op: str, params: dict[str, Any]) -> dict[str, Any]:
    stream.send(json.dumps({"op": op, "id": 1, "params": params}))
    while "channel" in (answer := json.loads(stream.recv())):
        pass
    assert "result" in answer, answer
    return answer["result"]


def shows(client: ExchangeClient, path: str, status: str) -> bool:
    """Whether the order is there, and in that state."""
    answer = client.request("GET", path)
    return answer.status_code == 200 and answer.json()["status"] == status


def test_an_order_is_soon_at_both(exchange: RunningExchange) -> None:
    """Placed, repeated, shown and cancelled over two gateways, with one login and one limit."""
    with ExitStack() as stack:
        one, other = clients_of(exchange, stack).values()
        for number in range(20):
            name = f"order-{number}"
            placed = one.expect(201, "POST", "/v1/orders", json=order(name))
            path = f"/v1/orders/client:{name}"
            # The acknowledgement and the other gateway's events leave the core together; which of
            # the two gateways is scheduled first, nobody says.
            wait_until(partial(shows, other, path, "open"), STOP_SECONDS)
            assert other.expect(200, "GET", path)["order_id"] == placed["order_id"]
            again = other.expect(200, "POST", "/v1/orders", json=order(name))
            assert again["replayed"]
            gone = other.expect(200, "DELETE", f"/v1/orders/{placed['order_id']}")
            wait_until(partial(shows, one, path, gone["status"]), STOP_SECONDS)


def test_every_gateway_tells_of_all(exchange: RunningExchange) -> None:
    """/metrics has each gateway's figures and the back office's, whichever gateway answers."""
    with exchange.client() as client:
        text = client.get("/metrics").text
    samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
    pids = {each.labels["gateway"] for each in samples if each.name == "puhui_gateway_sequence"}
    assert pids == {str(pid) for pid in exchange.processes("gateway")}
    assert "puhui_intake_pending_events" in {each.name for each in samples}


def test_a_killed_gateway_takes_only_its_own_along(exchange: RunningExchange) -> None:
    """What was to go with its stream is cancelled, its other orders stand, the other gateway goes
    on, and a connection made meanwhile is answered."""
    with ExitStack() as stack:
        clients = clients_of(exchange, stack)
        killed, other = clients
        stream = stream_of(exchange, killed, stack)
        clients[killed].expect(201, "POST", "/v1/orders", json=order("stands"))
        goes = ask(stream, "order.place", order("goes"))
        assert goes["status"] == "open"
        exchange.kill(killed)
        client = clients[other]
        path = f"/v1/orders/{goes['order_id']}"
        # The core cancels it when it sees the link gone.
        wait_until(lambda: client.expect(200, "GET", path)["status"] == "cancelled", STOP_SECONDS)
        with exchange.client() as newcomer:
            assert newcomer.get("/readyz").status_code == 200
        assert client.expect(200, "GET", "/v1/orders/client:stands")["status"] == "open"
        client.expect(201, "POST", "/v1/orders", json=order("meanwhile"))
        assert exchange.processes("gateway").count(other) == 1
        wait_until(lambda: len(exchange.processes("gateway")) == 2, STOP_SECONDS)


def test_without_the_back_office_trading_goes_on(exchange: RunningExchange) -> None:
    """Orders are taken and shown from memory; the tables catch up when it is back."""
    with exchange.client("enterprise") as client:
        [back_office] = exchange.processes("back-office")
        exchange.kill(back_office)
        for number in range(50):
            client.expect(201, "POST", "/v1/orders", json=order(f"without-{number}"))
        items = client.expect(200, "GET", "/v1/orders?limit=50&status=open")["items"]
        assert {f"without-{number}" for number in range(50)} == {
            each["client_order_id"] for each in items
        }
        sequence = _value(client, "puhui_core_released_sequence")
        wait_until(lambda: _value(client, "puhui_database_sequence") >= sequence, STOP_SECONDS)
        assert exchange.processes("back-office") != [back_office]


def _value(client: httpx.Client, name: str) -> float:
    families = text_string_to_metric_families(client.get("/metrics").text)
    [value] = [each.value for family in families for each in family.samples if each.name == name]
    return value
