"""What a hostile client sends costs the others nothing: it is cut off, they are served, and the
engine's state stays as it was. On real connections, with the limits of a real gateway."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from background_exchange import BackgroundExchange, background_exchange

from api import http_protocol
from api.edge import MAX_BODY_BYTES
from api.processes import WEBSOCKET_MAX_BYTES
from api.websocket_protocol import SMALL_FRAMES_PER_SECOND

TIMEOUT_SECONDS = 30.0
TEXT, BINARY, CONTINUATION, CLOSE, PING = 0x1, 0x2, 0x0, 0x8, 0x9
FINAL, COMPRESSED = 0x80, 0x40
PING_REQUEST = b'{"op":"ping","id":1}'


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackgroundExchange]:
    """An exchange that cuts slow clients off sooner than in earnest, so that tests are short."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api.edge.BODY_SECONDS", 0.2)
        patch.setattr(http_protocol, "HEADER_SECONDS", 0.2)
        folder = tmp_path_factory.mktemp("exchange")
        with background_exchange(folder, requests_per_second=1_000) as running:
            yield running


@pytest.fixture(autouse=True)
def _others_are_not_concerned(exchange: BackgroundExchange) -> Iterator[None]:
    """The state hash stays, no connection is left behind, and an honest client is served."""
    before = state_hash(exchange)
    yield
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        assert state_hash(exchange) == before
        if exchange.exchange.gateway.streams.connections == 0:
            return
        assert time.monotonic() < deadline, "connections are left"


@pytest.fixture
def connect(
    exchange: BackgroundExchange, _others_are_not_concerned: None
) -> Iterator[Callable[[], Connection]]:
    """Opens connections, and closes them before the others are looked at."""
    opened: list[Connection] = []

    def one_more() -> Connection:
        opened.append(Connection(exchange))
        return opened[-1]

    yield one_more
    for connection in opened:
        connection.socket.close()


def state_hash(exchange: BackgroundExchange) -> str:
    headers = {"Authorization": f"Bearer {exchange.token('operator')}"}
    with httpx.Client(base_url=exchange.url, trust_env=False, headers=headers) as client:
        answer = client.get("/v1/operator/state-hash")
        assert answer.status_code == 200, answer.text
        found: str = answer.json()["state_hash"]
        return found


class Connection:
    """A socket, on which anything may be sent."""

    def __init__(self, exchange: BackgroundExchange) -> None:
        host, _, port = exchange.url.removeprefix("http://").partition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=TIMEOUT_SECONDS)

    def send(self, *parts: bytes) -> bool:
        """Send until the other end closes; whether it took everything."""
        try:
            for part in parts:
                self.socket.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def read_to_the_end(self) -> bytes:
        """All that comes until the other end closes."""
        found = bytearray()
        try:
            while part := self.socket.recv(1 << 16):
                found += part
        except ConnectionResetError:
            pass
        return bytes(found)

    def open_stream(self, *headers: str) -> bytes:
        """The websocket's handshake; the head of the answer."""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET /v1/stream HTTP/1.1",
            "Host: x",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            *headers,
        ]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.socket.recv(1)
        assert head.startswith(b"HTTP/1.1 101")
        return head

    def read_frame(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame."""
        first, length = self._exactly(2)
        if length == 126:
            [length] = struct.unpack("!H", self._exactly(2))
        elif length == 127:
            [length] = struct.unpack("!Q", self._exactly(8))
        return first & 0x0F, self._exactly(length)

    def _exactly(self, length: int) -> bytes:
        found = b""
        while len(found) < length:
            part = self.socket.recv(length - len(found))
            assert part, "the server closed"
            found += part
        return found


Connect = Callable[[], Connection]


def frame(
    opcode: int, payload: bytes = b"", flags: int = FINAL, length: int | None = None
) -> bytes:
    """A frame from a client (masked with zeros); `length` may claim something else."""
    size = len(payload) if length is None else length
    if size < 126:
        head = struct.pack("!BB", flags | opcode, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", flags | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", flags | opcode, 0x80 | 127, size)
    return head + b"\0\0\0\0" + payload


def post(length: object, *lines: str) -> bytes:
    """The head of an order."""
    head = ["POST /v1/orders HTTP/1.1", "Host: x", "Content-Type: application/json", *lines]
    if length is not None:
        head.append(f"Content-Length: {length}")
    return ("\r\n".join(head) + "\r\n\r\n").encode()


CHUNK = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
REQUESTS: dict[str, tuple[tuple[bytes, ...], int]] = {
    "200 MB declared": ((post(200_000_000), b" " * 1_000_000), 413),
    "200 MB in chunks": ((post(None, "Transfer-Encoding: chunked"), *[CHUNK] * 3_200), 413),
    "a body that does not end": ((post(100), b"{"), 408),
    "a negative length": ((post(-1), b"{}"), 400),
    "two lengths": ((post(2, "Content-Length: 3"), b"{}"), 400),
    "length and chunks": ((post(2, "Transfer-Encoding: chunked"), b"0\r\n\r\n"), 400),
    "an endless header": ((b"GET / HTTP/1.1\r\nX: " + b"x" * 1_000_000,), 431),
    "headers that do not end": ((b"GET / HTTP/1.1\r\nHost: x\r\n",), 0),
    "nothing at all": ((), 0),
    "binary noise": ((bytes(range(256)) * 10,), 400),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_hostile_requests_are_cut_off(connect: Connect, name: str) -> None:
    """Too long, too slow or no HTTP: answered with a problem if there is time, and closed."""
    parts, status = REQUESTS[name]
    connection = connect()
    connection.send(*parts)
    answer = connection.read_to_the_end()
    # Who still sends when the connection is closed may lose the answer to it.
    if answer or "200 MB" not in name:
        assert answer.startswith(f"HTTP/1.1 {status} ".encode() if status else b"")
        assert bool(answer) == bool(status)
        if status:
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "invalid_request"


def test_a_long_body_is_not_kept(connect: Connect) -> None:
    """However long a body says it is, no more of it is read than a body may have."""
    connection = connect()
    connection.send(post(200_000_000))
    assert b"413" in connection.read_to_the_end()
    assert MAX_BODY_BYTES == 64 * 1024


FRAMES: dict[str, tuple[Callable[[], list[bytes]], int]] = {
    "a huge frame": (lambda: [frame(TEXT, length=1 << 40)], 1009),
    "a frame over the limit": (lambda: [frame(TEXT, length=WEBSOCKET_MAX_BYTES + 1)], 1009),
    "a long message": (lambda: [frame(TEXT, b" " * 70_000)], 1009),
    "a compressed frame": (lambda: [frame(TEXT, b"\x4b", FINAL | COMPRESSED)], 1002),
    "a flood of pings": (lambda: [frame(PING, b"p") * 100_000], 1002),
    "a flood of pongs": (lambda: [frame(0xA, b"p") * 100_000], 1002),
    "a flood of fragments": (
        lambda: [frame(TEXT, b"x", 0), frame(CONTINUATION, b"x", 0) * 100_000],
        1002,
    ),
    "a flood of empty fragments": (
        lambda: [frame(TEXT, b"", 0), frame(CONTINUATION, b"", 0) * 100_000],
        1002,
    ),
    "a flood of empty messages": (lambda: [frame(TEXT) * 100_000], 1002),
    "fragments over the limit": (
        lambda: [frame(TEXT, b"", 0), *[frame(CONTINUATION, b" " * 65_000, 0)] * 20],
        1009,
    ),
    "binary on a text connection": (lambda: [frame(BINARY, b"\0" * 128)], 1003),
    "a text that is not UTF-8": (lambda: [frame(TEXT, b"\xff" * 20)], 1007),
    "no mask": (lambda: [b"\x81\x02{}"], 1002),
    "an unknown opcode": (lambda: [frame(0x3, b"x")], 1002),
}


@pytest.mark.parametrize("name", FRAMES)
def test_hostile_frames_end_the_connection(connect: Connect, name: str) -> None:
    """Each is closed with the code that says why, before much of it is kept."""
    make, code = FRAMES[name]
    connection = connect()
    connection.open_stream()
    if not connection.send(*make()):
        return  # it was closed while we were still sending
    try:
        opcode, payload = connection.read_frame()
        while opcode != CLOSE:
            opcode, payload = connection.read_frame()
    except ConnectionResetError:
        return
    assert struct.unpack("!H", payload[:2]) == (code,)


def test_compression_is_not_agreed_to(connect: Connect) -> None:
    """A client that offers permessage-deflate is served without, so nothing can blow up."""
    connection = connect()
    head = connection.open_stream("Sec-WebSocket-Extensions: permessage-deflate")
    assert b"sec-websocket-extensions" not in head.lower()
    connection.send(frame(TEXT, PING_REQUEST))
    assert b"time" in connection.read_frame()[1]


def test_pings_that_a_client_may_need_are_answered(connect: Connect) -> None:
    """A hundred at once are no flood."""
    connection = connect()
    connection.open_stream()
    connection.send(frame(PING, b"p") * (SMALL_FRAMES_PER_SECOND // 2))
    found = [connection.read_frame() for _ in range(SMALL_FRAMES_PER_SECOND // 2)]
    assert set(found) == {(0xA, b"p")}


def test_a_flood_of_subscriptions_is_slowed_down(connect: Connect) -> None:
    """Each channel counts as a request: beyond the limit, 429 instead of more snapshots."""
    channels = [{"name": "book", "symbol": "GD-PHCER"}] * 100
    request = {"op": "subscribe", "id": 1, "params": {"channels": channels}}
    connection = connect()
    connection.open_stream()
    connection.send(frame(TEXT, json.dumps(request).encode()) * 20)
    answers: list[dict] = []
    while len(answers) < 20:
        message = json.loads(connection.read_frame()[1])
        if "channel" not in message:
            answers.append(message)
    refused = [answer["error"] for answer in answers if "error" in answer]
    assert {error["code"] for error in refused} == {"too_many_requests"}
    assert len(refused) >= 5
    assert all(error["retry_after_ms"] > 0 for error in refused)


def test_many_idle_connections_leave_room(exchange: BackgroundExchange, connect: Connect) -> None:
    """Five hundred of them, half of them streams, and the next request is answered."""
    for number in range(500):
        connection = connect()
        if number % 2:
            connection.open_stream()
    assert len(state_hash(exchange)) == 64
    assert exchange.exchange.gateway.streams.connections == 250
