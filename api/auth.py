"""Who is asking: bearer tokens and signed requests, roles and scopes.

What a token or key proves is cached, so the order path reads no database. A cached answer is asked
for again after CACHE_NS; what ends earlier is forgotten when this gateway hears of it
(api.other_processes).
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import time
from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Generic, NamedTuple, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from fastapi import Depends, Request
from sqlalchemy.orm import Session

from api.errors import Problem
from settlement import identity
from settlement.database import Database
from settlement.identity import Identity, Key, Login

if TYPE_CHECKING:
    from api.gateway import Gateway

T = TypeVar("T")

SIGNATURE_WINDOW_MS = 5_000
CACHE_NS = 30_000_000_000
CACHE_ENTRIES = 100_000
_MAX_CREDENTIAL_LENGTH = 200

# What a login may do by its roles; a key may do less.
_SCOPES_BY_ROLE = {
    "trader": {"read", "drop_copy", "trade", "settle"},
    "market_maker": {"read", "drop_copy", "trade", "settle"},
    "compliance": {"read", "drop_copy", "trade", "settle"},
    "event_organiser": {"read", "drop_copy", "trade", "settle"},
    "registry": {"read", "settle"},
    "settlement": {"read", "settle"},
    "operator": {"read", "settle", "admin"},
    "auditor": {"read"},
}
# Whoever may read may have a copy of orders and fills; who has only that may read nothing else.
COPY_SCOPES = frozenset({"read", "drop_copy"})
# Acting in these roles, rather than reading, needs the scope.
_SCOPE_TO_ACT = {"operator": "admin"}

# Unknown keys are verified against this one, so that they take as long as wrong signatures.
_NOBODYS_KEY = Ed25519PrivateKey.generate().public_key()


class Caller(NamedTuple):
    """Who is asking, and what he may do."""

    account: int
    account_code: str
    username: str
    roles: frozenset[str]
    scopes: frozenset[str]
    user_id: int = 0
    key_id: str | None = None  # None: logged in with a password


@functools.cache
def scopes_of(roles: frozenset[str]) -> frozenset[str]:
    """All that a login with these roles may do."""
    return frozenset().union(*(_SCOPES_BY_ROLE[role] for role in roles))


class _Cache(Generic[T]):
    """Answers of the database by credential, each good for CACHE_NS."""

    def __init__(self, database: Database, find: Callable[[Session, str], T | None]) -> None:
        self._database = database
        self._find = find
        self._entries: dict[str, tuple[T, int]] = {}

    async def get(self, name: str) -> T | None:
        entry = self._entries.get(name)
        now_ns = time.monotonic_ns()
        if entry is not None and now_ns - entry[1] < CACHE_NS:
            return entry[0]
        found = await asyncio.to_thread(self._read, name)
        if found is None:
            self.forget(name)
            return None
        if len(self._entries) >= CACHE_ENTRIES:
            self._entries.clear()
        self._entries[name] = (found, now_ns)
        return found

    def forget(self, name: str) -> None:
        self._entries.pop(name, None)

    def _read(self, name: str) -> T | None:
        with self._database.read() as session:
            return self._find(session, name)


class Authenticator:
    """Turns credentials into a Caller, or refuses them without saying what was wrong."""

    def __init__(self, database: Database) -> None:
        self._logins: _Cache[Login] = _Cache(database, identity.find_session)
        self._keys: _Cache[Key] = _Cache(database, identity.find_key)

    async def token(self, token: str) -> Caller:
        """The owner of a session's token. Raises Problem (unauthenticated)."""
        if not token or len(token) > _MAX_CREDENTIAL_LENGTH:
            raise Problem("unauthenticated")
        login = await self._logins.get(identity.hash_token(token))
        if login is None or login.expires_time_ns <= time.time_ns():
            raise Problem("unauthenticated")
        return _caller(login.identity, scopes_of(login.identity.roles), None)

    async def signature(
        self, key_id: str, timestamp: str, signature: str, *, method: str, target: str, body: bytes
    ) -> Caller:
        """The owner of the key that signed. `target` is the path, with its query if there is one.

        Raises Problem (unauthenticated).
        """
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 16):
            raise Problem("unauthenticated")
        if abs(time.time_ns() // 1_000_000 - int(timestamp)) > SIGNATURE_WINDOW_MS:
            raise Problem("unauthenticated", "X-Timestamp is more than 5 s off (see GET /v1/time).")
        if max(len(key_id), len(signature)) > _MAX_CREDENTIAL_LENGTH:
            raise Problem("unauthenticated")
        key = await self._keys.get(key_id)
        public_key = (
            Ed25519PublicKey.from_public_bytes(b64decode(key.public_key)) if key else _NOBODYS_KEY
        )
        digest = hashlib.sha256(body).hexdigest()
        message = f"{timestamp}\n{method}\n{target}\n{digest}".encode()
        try:
            public_key.verify(b64decode(signature, validate=True), message)
        except (InvalidSignature, ValueError):
            raise Problem("unauthenticated") from None
        if key is None:
            raise Problem("unauthenticated")
        return _key_caller(key)

    async def key(self, key_id: str) -> Caller:
        """The owner of a key whose signature was seen before, if it is still in force.

        Raises Problem (unauthenticated).
        """
        key = await self._keys.get(key_id)
        if key is None:
            raise Problem("unauthenticated")
        return _key_caller(key)

    def forget(self, token_hashes: Iterable[str] = (), key_ids: Iterable[str] = ()) -> None:
        """Ask the database again, the next time these come."""
        for token_hash in token_hashes:
            self._logins.forget(token_hash)
        for key_id in key_ids:
            self._keys.forget(key_id)


def _caller(who: Identity, scopes: frozenset[str], key_id: str | None) -> Caller:
    return Caller(
        who.account, who.account_code, who.username, who.roles, scopes, who.user_id, key_id
    )


def _key_caller(key: Key) -> Caller:
    return _caller(key.identity, key.scopes & scopes_of(key.identity.roles), key.key_id)


def _single(request: Request, name: str) -> str | None:
    """A header that may be given once: two of them could be read differently by a proxy."""
    values = request.headers.getlist(name)
    if len(values) > 1:
        raise Problem("unauthenticated", f"{name} is given twice.")
    return values[0] if values else None


def bearer_token(request: Request) -> str | None:
    """The token of the Authorization header, if there is one."""
    authorization = _single(request, "Authorization")
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Problem("unauthenticated", "Authorization must be: Bearer TOKEN.")
    return token


async def authenticate(request: Request) -> Caller:
    """Whoever sent the request. Raises Problem (unauthenticated); failures are throttled."""
    gateway: Gateway = request.app.state.gateway
    who = client_address(request)
    try:
        token, key_id = bearer_token(request), _single(request, "X-API-Key")
        if token is not None and key_id is None:
            return await gateway.authenticator.token(token)
        timestamp, signature = _single(request, "X-Timestamp"), _single(request, "X-Signature")
        if key_id is None or timestamp is None or signature is None or token is not None:
            raise Problem("unauthenticated", "Send a bearer token, or the three headers of a key.")
        return await gateway.authenticator.signature(
            key_id,
            timestamp,
            signature,
            method=request.method,
            target=_target(request),
            body=await request.body(),
        )
    except Problem:
        request.scope["puhui.rate"] = gateway.rate_limits.take("failures", who)
        raise


def _target(request: Request) -> str:
    """Path and query exactly as they were sent."""
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")


def client_address(request: Request) -> str:
    """Whom to count requests against that come without an account."""
    return request.client.host if request.client else ""


def limit(request: Request, name: str, who: str, tokens: int = 1) -> None:
    """Take from a bucket and let the answer's headers show it. Raises Problem."""
    gateway: Gateway = request.app.state.gateway
    request.scope["puhui.rate"] = gateway.rate_limits.read(name, who)
    request.scope["puhui.rate"] = gateway.rate_limits.take(name, who, tokens)


async def anyone(request: Request) -> None:
    """For public routes: no credentials are asked for, the address is limited."""
    limit(request, "public", client_address(request))


async def caller(request: Request) -> Caller:
    """Whoever has valid credentials and the scope "read"."""
    known = await authenticate(request)
    limit(request, "requests", known.account_code)
    if "read" not in known.scopes and request.method in ("GET", "HEAD"):
        raise Problem("forbidden", 'The scope "read" is needed.')
    return known


async def copying_caller(request: Request) -> Caller:
    """Who is told of an account's orders and fills: the scope "read", or "drop_copy" alone."""
    known = await authenticate(request)
    limit(request, "requests", known.account_code)
    check_copy_scope(known)
    return known


def check_copy_scope(known: Caller) -> None:
    """Raises Problem (forbidden)."""
    if not COPY_SCOPES & known.scopes:
        raise Problem("forbidden", 'The scope "read" or "drop_copy" is needed.')


def require_scope(scope: str) -> Callable[[Caller], Awaitable[Caller]]:
    """A dependency: a caller with this scope."""

    async def check(known: Annotated[Caller, Depends(caller)]) -> Caller:
        check_scope(known, scope)
        return known

    return check


def check_scope(known: Caller, scope: str) -> None:
    """Raises Problem (forbidden)."""
    if scope not in known.scopes:
        raise Problem("forbidden", f'The scope "{scope}" is needed.')


def require_role(*roles: str) -> Callable[[Request, Caller], Awaitable[Caller]]:
    """A dependency: a caller in one of these roles; to change something a key needs its scope."""

    async def check(request: Request, known: Annotated[Caller, Depends(caller)]) -> Caller:
        held = [role for role in roles if role in known.roles]
        if not held:
            raise Problem("forbidden", f"The role {' or '.join(roles)} is needed.")
        if request.method not in ("GET", "HEAD"):
            needed = {_SCOPE_TO_ACT.get(role, "settle") for role in held}
            if not needed & known.scopes:
                raise Problem("forbidden", f"The scope {' or '.join(sorted(needed))} is needed.")
        return known

    return check


async def trading_caller(request: Request) -> Caller:
    """Who enters an order: the scope "trade", counted against the account's orders."""
    known = await authenticate(request)
    check_scope(known, "trade")
    limit(request, "orders", known.account_code)
    return known


async def cancelling_caller(request: Request) -> Caller:
    """Who takes an order back: the scope "trade", never limited."""
    known = await authenticate(request)
    check_scope(known, "trade")
    gateway: Gateway = request.app.state.gateway
    request.scope["puhui.rate"] = gateway.rate_limits.read("orders", known.account_code)
    return known
