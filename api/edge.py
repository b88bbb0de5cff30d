"""The edge: what every request passes before any route, and every answer after it.

Bodies are read here, whole, within a bound of size and of time, and must be strict JSON. Answers
get the headers for security and rate limits, and a failure that nobody else caught gets a problem.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from prometheus_client import Counter
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import strict_json
from api.errors import Problem, to_problem
from api.messages import preferred_language
from api.metrics import REQUEST_SECONDS
from api.rate_limits import RateLimits, Reading

if TYPE_CHECKING:
    from api.gateway import Gateway

_ANSWERS = Counter("puhui_http_answers", "Answers by class of status", ["status"])

MAX_BODY_BYTES = 64 * 1024
BODY_SECONDS = 5.0

_API_POLICY = "default-src 'none'; frame-ancestors 'none'"
# The pages: everything from here, nothing inline, the stream on the same host.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


class _Disconnected(Exception):  # noqa: N818 - not an error: the client left
    pass


class Edge:
    """ASGI middleware, the outermost one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        started = False
        began = time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _ANSWERS.labels(f"{message['status'] // 100}xx").inc()
                _add_headers(scope, message)
            await send(message)

        try:
            body = await _read_body(headers, receive)
            if body:
                _check_body(headers, body)
            await self._app(scope, _replay(body, receive), send_with_headers)
        except _Disconnected:
            return
        except Exception as error:
            if started:
                raise
            problem = to_problem(error, scope["method"], scope["path"])
            language = preferred_language(headers.get("accept-language", ""))
            await problem.response(language)(scope, receive, send_with_headers)
        finally:
            # The route's pattern, not the path: what clients send must not make new series.
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if route != "none" else "none"
            REQUEST_SECONDS.labels(method, route).observe(time.perf_counter() - began)


async def _read_body(headers: Headers, receive: Receive) -> bytes:
    """The whole body. Raises Problem; the connection is closed, since what follows is unread."""
    declared = headers.get("content-length", "0")
    if declared == "0" and "transfer-encoding" not in headers:
        return b""
    if int(declared) > MAX_BODY_BYTES:
        raise _refuse_body(413, f"A body has at most {MAX_BODY_BYTES} bytes.")
    chunks: list[bytes] = []
    length = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _Disconnected
                chunk: bytes = message.get("body", b"")
                length += len(chunk)
                if length > MAX_BODY_BYTES:
                    raise _refuse_body(413, f"A body has at most {MAX_BODY_BYTES} bytes.")
                chunks.append(chunk)
                if not message.get("more_body", False):
                    return b"".join(chunks)
    except TimeoutError:
        raise _refuse_body(408, f"The body did not come within {BODY_SECONDS:.0f} s.") from None


def _refuse_body(status: int, detail: str) -> Problem:
    return Problem(
        "invalid_request",
        detail,
        http_status=status,
        headers={"Connection": "close"},
        limit=MAX_BODY_BYTES,
    )


def _check_body(headers: Headers, body: bytes) -> None:
    if headers.get("content-encoding", "identity") != "identity":
        raise Problem("invalid_request", "Bodies are sent uncompressed.", http_status=415)
    media_type, _, parameters = headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if media_type.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise Problem(
            "invalid_request", "The body must be application/json in UTF-8.", http_status=415
        )
    strict_json.check(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the body once and then waits for what the server says next."""
    is_given = False

    async def replay() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _add_headers(scope: Scope, message: MutableMapping[str, Any]) -> None:
    headers = MutableHeaders(scope=message)
    gateway: Gateway | None = getattr(scope["app"].state, "gateway", None)
    if gateway is not None:
        reading = scope.get("puhui.rate") or _public_reading(scope, gateway.rate_limits)
        headers["RateLimit"] = reading.header
        headers["RateLimit-Policy"] = reading.policy.header
    if scope["scheme"] == "https":
        headers["Strict-Transport-Security"] = "max-age=31536000"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers.setdefault("Content-Security-Policy", _API_POLICY)
    headers.setdefault("Cache-Control", "no-store")


def _public_reading(scope: Scope, rate_limits: RateLimits) -> Reading:
    client = scope.get("client")
    return rate_limits.read("public", client[0] if client else "")
