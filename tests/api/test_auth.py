"""Logging in, tokens, signed requests, scopes and roles."""

from __future__ import annotations

import hashlib
import json
import time
from base64 import b64encode
from typing import Any

import argon2
import httpx
import msgspec
import pytest
import pytest_asyncio
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from exchange_driver import PASSWORD, REQUESTS_PER_SECOND, Exchange, connect
from sqlalchemy import update

from api import answers, auth
from settlement.identity import hash_token
from settlement.tables.identity import SessionToken

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC_KEY = b64encode(PRIVATE_KEY.public_key().public_bytes_raw()).decode()
ORDER = {
    "symbol": "GD-PHCER",
    "side": "buy",
    "type": "limit",
    "price": "46.00",
    "quantity": "1",
}


async def log_in(exchange: Exchange, username: str, password: str = PASSWORD) -> httpx.Response:
    body = {"username": username, "password": password}
    return await exchange.public.post("/v1/sessions", json=body)


def signed(
    key_id: str, request_line: str, body: bytes = b"", *, age_ms: int = 0, **changes: str
) -> dict[str, str]:
    """The headers that sign a request; `changes` replace parts of what is signed."""
    method, _, target = request_line.partition(" ")
    timestamp = str(time.time_ns() // 1_000_000 - age_ms)
    parts = {
        "timestamp": timestamp,
        "method": method,
        "target": target,
        "digest": hashlib.sha256(body).hexdigest(),
    } | changes
    signature = PRIVATE_KEY.sign("\n".join(parts.values()).encode())
    return {
        "X-API-Key": key_id,
        "X-Timestamp": timestamp,
        "X-Signature": b64encode(signature).decode(),
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def key_id(shared_exchange: Exchange) -> str:
    """The enterprise's key, with the scopes read and trade."""
    return await new_key(shared_exchange, ["read", "trade"])


async def new_key(exchange: Exchange, scopes: list[str], public_key: str = PUBLIC_KEY) -> str:
    body = {"name": "robot", "public_key": public_key, "scopes": scopes}
    answer = await exchange.client("enterprise").post("/v1/keys", json=body)
    assert answer.status_code == 201, answer.text
    msgspec.json.decode(answer.content, type=answers.Key)
    found: str = answer.json()["key_id"]
    return found


async def test_a_login_gives_a_token(shared_exchange: Exchange) -> None:
    """The token works as a bearer until it is given back; only its hash is stored."""
    answer = await log_in(shared_exchange, "enterprise")
    found = msgspec.json.decode(answer.content, type=answers.Session)
    assert (found.account, found.roles) == ("enterprise", ["trader"])
    headers = {"Authorization": f"Bearer {found.token}"}
    assert (await shared_exchange.public.get("/v1/balances", headers=headers)).status_code == 200
    gone = await shared_exchange.public.delete("/v1/sessions", headers=headers)
    assert gone.status_code == 204
    after = await shared_exchange.public.get("/v1/balances", headers=headers)
    assert (after.status_code, after.json()["code"]) == (401, "unauthenticated")
    assert after.headers["www-authenticate"] == "Bearer"


async def test_a_session_expires(shared_exchange: Exchange) -> None:
    """A token is worth nothing after its time, though nobody ended the session."""
    token = (await log_in(shared_exchange, "auditor")).json()["token"]

    def expire(session: Any) -> None:
        where = SessionToken.token_hash == hash_token(token)
        session.execute(update(SessionToken).where(where).values(expires_time_ns=1))

    shared_exchange.gateway.database.write(expire).result()
    headers = {"Authorization": f"Bearer {token}"}
    assert (await shared_exchange.public.get("/v1/balances", headers=headers)).status_code == 401


async def test_unknown_names_and_wrong_passwords_are_answered_alike(
    shared_exchange: Exchange,
) -> None:
    """Nothing tells whether a name exists; after too many tries neither is answered for a while."""
    for username in ("enterprise", "nobody", "ENTERPRISE", "enterprise ", "é", "x" * 5_000):
        answer = await log_in(shared_exchange, username, "wrong")
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (401, "unauthenticated")
        assert problem["detail"] == "The name or the password is wrong."
    for username in ("organiser", "nobody-else"):
        found = [await log_in(shared_exchange, username, "wrong") for _ in range(11)]
        assert {each.status_code for each in found[:10]} == {401}
        assert (found[10].status_code, found[10].json()["code"]) == (429, "too_many_requests")
        assert int(found[10].headers["retry-after"]) >= 1
    # The right password is not tried either, so it cannot be found by going on.
    assert (await log_in(shared_exchange, "organiser")).status_code == 429


async def test_the_unknown_costs_as_much_as_the_wrong(
    shared_exchange: Exchange, key_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For an unknown name a password is verified, for an unknown key a signature, just the same:
    the work is counted, since its time depends on the machine."""
    passwords: list[str] = []
    verify = argon2.PasswordHasher.verify

    def count(hasher: Any, digest: str, password: str) -> bool:
        passwords.append(digest.rpartition("$")[0].rpartition("$")[0])
        return verify(hasher, digest, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", count)
    for username in ("auditor", "nobody-at-all"):
        assert (await log_in(shared_exchange, username, "wrong")).status_code == 401
    assert len(passwords) == 2
    assert passwords[0] == passwords[1]  # the same algorithm and cost
    signatures: list[bytes] = []

    class Nobody:
        def verify(self, signature: bytes, message: bytes) -> None:
            signatures.append(message)
            raise InvalidSignature

    monkeypatch.setattr(auth, "_NOBODYS_KEY", Nobody())
    for key in (key_id, "0" * 16):
        headers = signed(key, "GET /v1/orders", digest="wrong")
        answer = await shared_exchange.public.get("/v1/orders", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert len(signatures) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Bearer " + "x" * 8_000},
        {"Authorization": "Basic ZW50ZXJwcmlzZTpkZW1v"},
        {"X-API-Key": "nonsense"},
        {"X-API-Key": "a" * 16, "X-Timestamp": "1", "X-Signature": "AA=="},
    ],
)
async def test_other_credentials_are_refused(
    shared_exchange: Exchange, headers: dict[str, str]
) -> None:
    """No, empty, wrong or unknown credentials: 401."""
    answer = await shared_exchange.public.get("/v1/orders", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_credentials_given_twice_are_refused(shared_exchange: Exchange, key_id: str) -> None:
    """Two tokens, or a token and a key, could be read differently by different readers."""
    token = shared_exchange.client("enterprise").headers["authorization"]
    twice = [("Authorization", token), ("Authorization", token)]
    both = [("Authorization", token), *signed(key_id, "GET /v1/orders").items()]
    for headers in (twice, both):
        answer = await shared_exchange.public.get("/v1/orders", headers=headers)
        assert answer.status_code == 401


async def test_a_signed_request_acts_for_its_account(
    shared_exchange: Exchange, key_id: str
) -> None:
    """A key signs path, query and body; it sees what its owner sees."""
    body = json.dumps(ORDER | {"client_order_id": "signed"}).encode()
    headers = signed(key_id, "POST /v1/orders", body) | {"Content-Type": "application/json"}
    answer = await shared_exchange.public.post("/v1/orders", content=body, headers=headers)
    assert answer.status_code == 201
    for target in ("/v1/orders?status=open&limit=5", "/v1/orders/client:signed", "/v1/balances"):
        headers = signed(key_id, f"GET {target}")
        assert (await shared_exchange.public.get(target, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("age_ms", "changes"),
    [
        (6_000, {}),
        (-6_000, {}),
        (0, {"timestamp": "1"}),
        (0, {"method": "POST"}),
        (0, {"target": "/v1/fills"}),
        (0, {"target": "/v1/orders"}),
        (0, {"digest": hashlib.sha256(b"{}").hexdigest()}),
        (0, {"digest": ""}),
    ],
)
async def test_a_signature_holds_for_one_request(
    shared_exchange: Exchange, key_id: str, age_ms: int, changes: dict[str, str]
) -> None:
    """Old, future, or made for another time, method, path, query or body: 401."""
    headers = signed(key_id, "GET /v1/orders?limit=1", age_ms=age_ms, **changes)
    answer = await shared_exchange.public.get("/v1/orders?limit=1", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Signature", "not base64!"),
        ("X-Signature", b64encode(b"s" * 64).decode()),
        ("X-Signature", b64encode(b"s" * 10).decode()),
        ("X-Timestamp", "now"),
        ("X-Timestamp", "1e3"),
        ("X-Timestamp", "9" * 30),
        ("X-API-Key", "0" * 16),
    ],
)
async def test_wrong_parts_of_a_signature_are_refused(
    shared_exchange: Exchange, key_id: str, name: str, value: str
) -> None:
    """Each of the three headers must be right."""
    headers = signed(key_id, "GET /v1/orders") | {name: value}
    answer = await shared_exchange.public.get("/v1/orders", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_a_key_does_what_its_scopes_say(shared_exchange: Exchange) -> None:
    """A key for reading cannot trade, cancel, move credits or make keys; one for trading only
    cannot read."""
    reader, trader = [await new_key(shared_exchange, [scope]) for scope in ("read", "trade")]
    before = await shared_exchange.state_hash()
    body = json.dumps(ORDER | {"client_order_id": "reader"}).encode()
    for request_line, content in (
        ("POST /v1/orders", body),
        ("POST /v1/orders/batch", b'{"orders":[' + body + b"]}"),
        ("DELETE /v1/orders", b""),
        ("POST /v1/cancel-after", b'{"seconds":1}'),
        ("POST /v1/keys", b'{"name":"x","public_key":"x","scopes":["read"]}'),
    ):
        method, target = request_line.split()
        headers = signed(reader, request_line, content) | {"Content-Type": "application/json"}
        answer = await shared_exchange.public.request(
            method, target, content=content, headers=headers
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), request_line
    assert await shared_exchange.state_hash() == before
    answer = await shared_exchange.public.get(
        "/v1/orders", headers=signed(trader, "GET /v1/orders")
    )
    assert answer.status_code == 403


async def test_a_revoked_key_is_refused_at_once(shared_exchange: Exchange) -> None:
    """Revoking a key that was just used, and is therefore cached, takes effect with the next
    request; nobody can revoke another's."""
    key = await new_key(shared_exchange, ["read"])
    client = shared_exchange.client("enterprise")
    url = "/v1/balances"
    assert (await shared_exchange.public.get(url, headers=signed(key, f"GET {url}"))).is_success
    assert (await shared_exchange.client("maker").delete(f"/v1/keys/{key}")).status_code == 404
    assert (await client.delete(f"/v1/keys/{key}")).status_code == 204
    answer = await shared_exchange.public.get(url, headers=signed(key, f"GET {url}"))
    assert answer.status_code == 401
    listed = (await client.get("/v1/keys")).json()["items"]
    assert key not in [each["key_id"] for each in listed]


async def test_a_key_may_be_given_as_pem(shared_exchange: Exchange) -> None:
    """PEM and base64 of the raw bytes are the same key."""
    pem = PRIVATE_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key = await new_key(shared_exchange, ["read"], pem.decode())
    listed = (await shared_exchange.client("enterprise").get("/v1/keys")).json()["items"]
    assert {each["public_key"] for each in listed if each["key_id"] == key} == {PUBLIC_KEY}


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"public_key": ""}, "invalid_request", "public_key"),
        ({"public_key": "AAAA"}, "invalid_request", "public_key"),
        ({"public_key": "not base64"}, "invalid_request", "public_key"),
        ({"public_key": "-----BEGIN PUBLIC KEY-----"}, "invalid_request", "public_key"),
        ({"scopes": []}, "invalid_request", "scopes"),
        ({"scopes": ["read", "read"]}, "invalid_request", "scopes"),
        ({"scopes": ["everything"]}, "invalid_request", "scopes[0]"),
        ({"scopes": ["admin"]}, "forbidden", "scopes"),
        ({"name": ""}, "invalid_request", "name"),
        ({"name": "\u202ename"}, "invalid_request", "name"),
        ({"name": "e\u0301"}, "invalid_request", "name"),
        ({"name": "x" * 65}, "invalid_request", "name"),
    ],
)
async def test_wrong_keys_are_refused(
    shared_exchange: Exchange, change: dict[str, Any], code: str, field: str
) -> None:
    """A key is an Ed25519 key with a name that can be read and scopes that its owner has."""
    body = {"name": "robot", "public_key": PUBLIC_KEY, "scopes": ["read"]} | change
    answer = await shared_exchange.client("enterprise").post("/v1/keys", json=body)
    assert (answer.json()["code"], answer.json()["field"]) == (code, field)


async def test_rate_limits_are_told_and_kept(
    shared_exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every answer says what is left; beyond it is 429 with Retry-After, but for cancels."""
    client = connect(shared_exchange.app, headers=shared_exchange.client("maker").headers)
    async with client:
        answer = await client.get("/v1/balances")
        policy = f'"requests";q={REQUESTS_PER_SECOND};w=1'
        assert answer.headers["ratelimit-policy"] == policy
        assert answer.headers["ratelimit"].startswith('"requests";r=')
        limits = shared_exchange.gateway.rate_limits
        now_ns = time.monotonic_ns()
        # Time stands still: on a busy machine the bucket would fill again meanwhile.
        monkeypatch.setattr(limits, "_clock_ns", lambda: now_ns)
        limits.take("orders", "maker", 1_000)
        answer = await client.post("/v1/orders", json=ORDER | {"client_order_id": "m"})
        assert (answer.status_code, answer.json()["limit"]) == (429, 1_000)
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["ratelimit"].startswith('"orders";r=')
        assert (await client.delete("/v1/orders")).status_code == 200
    for path in ("/v1/time", "/nowhere", "/healthz", "/"):
        answer = await shared_exchange.public.get(path)
        assert {"ratelimit", "ratelimit-policy", "content-security-policy"} <= set(answer.headers)
