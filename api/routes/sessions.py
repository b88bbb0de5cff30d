"""Logging in with a name and a password, and out again."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from api.auth import anyone, bearer_token, caller, client_address
from api.errors import Problem
from api.gateway import Gateway, gateway
from api.operator_actions import write
from api.schemas import SessionBody
from api.strict_json import json_body
from engine.times import format_time
from settlement import identity
from settlement.identity import Identity

router = APIRouter(tags=["sessions"])

_MAX_PASSWORD_LENGTH = 200


@router.post("/sessions", dependencies=[Depends(anyone)])
async def log_in(
    request: Request,
    body: Annotated[SessionBody, Depends(json_body(SessionBody))],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> dict[str, Any]:
    """Exchange a name and a password for a bearer token."""
    found = await _check(request, exchange, body)
    lifetime_seconds = exchange.settings.session_hours * 3_600
    token, expires_time_ns = await write(
        exchange, lambda session: identity.create_session(session, found.user_id, lifetime_seconds)
    )
    return {
        "token": token,
        "expires_at": format_time(expires_time_ns),
        "account": found.account_code,
        "username": found.username,
        "roles": sorted(found.roles),
    }


async def _check(request: Request, exchange: Gateway, body: SessionBody) -> Identity:
    """Whose password it is. Raises Problem, the same for unknown names and wrong passwords."""
    username, address = body.username[:_MAX_PASSWORD_LENGTH], client_address(request)
    # Wrong tries are counted by address, and by name from there, whether there is such a user or
    # not. By the name alone, anybody could lock anybody out.
    who = f"{username} {address}"
    if exchange.rate_limits.read("logins", who).remaining == 0:
        exchange.rate_limits.take("logins", who)
    found: Identity | None = None
    if len(body.password) <= _MAX_PASSWORD_LENGTH:
        async with exchange.password_checks:
            found = await asyncio.to_thread(_verify, exchange, username, body.password)
    if found is None:
        exchange.rate_limits.take("logins", who)
        exchange.rate_limits.take("failures", address)
        raise Problem("unauthenticated", "The name or the password is wrong.")
    return found


def _verify(exchange: Gateway, username: str, password: str) -> Identity | None:
    with exchange.database.read() as session:
        return identity.check_password(session, username, password)


@router.delete("/sessions", status_code=204, dependencies=[Depends(caller)])
async def log_out(request: Request, exchange: Annotated[Gateway, Depends(gateway)]) -> Response:
    """End the session whose token is sent."""
    token = bearer_token(request)
    if token is None:
        raise Problem("invalid_request", "A key has no session to end; delete the key.")
    token_hash = identity.hash_token(token)
    await write(exchange, lambda session: identity.end_session(session, token_hash))
    exchange.authenticator.forget([token_hash])
    return Response(status_code=204)
