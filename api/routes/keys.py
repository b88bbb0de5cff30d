"""API keys: Ed25519 public keys that sign requests."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from typing import Annotated, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.auth import Caller, caller
from api.errors import Problem
from api.gateway import Gateway, gateway
from api.operator_actions import write
from api.schemas import KeyBody, plain_text
from api.strict_json import json_body
from engine.times import format_time
from settlement import identity
from settlement.tables.identity import ApiKey

router = APIRouter(tags=["keys"])
_KEY_BYTES = 32


async def logged_in(known: Annotated[Caller, Depends(caller)]) -> Caller:
    """Keys are managed with a session only: a stolen key must not make others."""
    if known.key_id is not None:
        raise Problem("forbidden", "Keys are managed with a session's token.")
    return known


@router.post("/keys", status_code=201)
async def create_key(
    known: Annotated[Caller, Depends(logged_in)],
    body: Annotated[KeyBody, Depends(json_body(KeyBody))],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> dict[str, Any]:
    """Register a public key; its scopes are among the caller's own."""
    name = plain_text(body.name, "name", 64)
    public_key = _public_key(body.public_key)
    scopes = frozenset(body.scopes)
    if not scopes or len(scopes) != len(body.scopes):
        raise Problem("invalid_request", "Name each scope once.", field="scopes")
    if not scopes <= known.scopes:
        raise Problem("forbidden", "You do not have all of these scopes.", field="scopes")

    def create(session: Session) -> ApiKey:
        key = identity.create_key(session, known.user_id, name, public_key, scopes)
        subject: dict[str, object] = {"key_id": key.key_id, "scopes": sorted(scopes)}
        identity.audit(session, known.username, "key_created", subject)
        return key

    return _render(await write(exchange, create))


@router.get("/keys")
async def list_keys(
    known: Annotated[Caller, Depends(caller)], exchange: Annotated[Gateway, Depends(gateway)]
) -> dict[str, Any]:
    """The caller's keys that are in force."""

    def read() -> list[ApiKey]:
        with exchange.database.read() as session:
            return identity.keys_of(session, known.user_id)

    keys = await asyncio.to_thread(read)
    return {"items": [_render(key) for key in keys], "next_cursor": None}


@router.delete("/keys/{key_id}", status_code=204)
async def revoke_key(
    key_id: str,
    known: Annotated[Caller, Depends(logged_in)],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> Response:
    """Take a key out of force, at once."""

    def revoke(session: Session) -> None:
        identity.revoke_key(session, known.user_id, key_id)
        identity.audit(session, known.username, "key_revoked", {"key_id": key_id})

    await write(exchange, revoke)
    exchange.authenticator.forget(key_ids=[key_id])
    return Response(status_code=204)


def _public_key(text: str) -> bytes:
    """The 32 bytes of an Ed25519 key. Raises Problem."""
    try:
        if text.startswith("-----BEGIN"):
            key = load_pem_public_key(text.encode())
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError
            return key.public_bytes_raw()
        raw = b64decode(text, validate=True)
        if len(raw) != _KEY_BYTES:
            raise ValueError
        return Ed25519PublicKey.from_public_bytes(raw).public_bytes_raw()
    except (ValueError, UnsupportedAlgorithm):
        raise Problem(
            "invalid_request",
            "An Ed25519 public key is needed: base64 of its 32 bytes, or PEM.",
            field="public_key",
        ) from None


def _render(key: ApiKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "name": key.name,
        "public_key": key.public_key,
        "scopes": key.scopes.split(),
        "created_at": format_time(key.created_time_ns),
    }
