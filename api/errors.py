"""Problems: every refusal and failure as application/problem+json, in Chinese or English.

Problem                       raised by routes and dependencies
settlement.errors.Refused     raised by settlement, has the same codes
CoreUnavailable               the command was not sent: 503, safe to repeat
ExecutionUnknown              sent but unanswered: 504, with the URL to ask
anything else                 a reading request: 500; a changing one: 504, its outcome is unknown
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.core_client import CoreUnavailable, ExecutionUnknown
from api.details import in_chinese
from api.messages import CATALOGUE, preferred_language
from settlement.errors import Refused

MEDIA_TYPE = "application/problem+json"
RETRY_CORE_MS = 1_000

logger = structlog.get_logger(__name__)


class Problem(Exception):  # noqa: N818 - named after RFC 9457
    """A request refused: a code of the catalogue, and further members of the answer.

    `detail` is an English sentence, `detail_zh` the same in Chinese, if it does not stand in
    api.details; where there is none, its reader gets the catalogue's sentence for the code.
    """

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        detail_zh: str | None = None,
        field: str | None = None,
        headers: dict[str, str] | None = None,
        http_status: int | None = None,
        **extra: Any,
    ) -> None:
        self.code = code
        self.detail = detail
        self.detail_zh = detail_zh
        self.field = field
        self.headers = headers or {}
        self.extra = extra
        self.status = http_status or CATALOGUE[code].status
        super().__init__(f"{code}: {detail or CATALOGUE[code].detail}")

    def members(self, language: str = "en") -> dict[str, Any]:
        """The answer's members, with `detail` in "en" or "zh"."""
        entry = CATALOGUE[self.code]
        members: dict[str, Any] = {
            "type": f"urn:puhui:problem:{self.code}",
            "title": entry.title,
            "status": self.status,
            "detail": self.detail or entry.detail,
            "code": self.code,
        }
        if self.field is not None:
            members["field"] = self.field
        if language == "zh":
            place = "" if self.field is None else f"{self.field}："
            chinese = self.detail_zh or (self.detail and in_chinese(self.detail))
            members["detail"] = place + (chinese or entry.detail_zh)
        return members | self.extra

    def response(self, language: str = "en") -> Response:
        """The whole answer."""
        headers = {"Content-Language": "zh-CN" if language == "zh" else "en", **self.headers}
        if "retry_after_ms" in self.extra:
            # Seconds, rounded up: nobody should come back too early.
            headers["Retry-After"] = str(-(-int(self.extra["retry_after_ms"]) // 1_000))
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        return Response(
            msgspec.json.encode(self.members(language)),
            status_code=self.status,
            headers=headers,
            media_type=MEDIA_TYPE,
        )


def from_refused(refused: Refused) -> Problem:
    """Settlement's refusal as a problem."""
    extra: dict[str, Any] = dict(refused.extra)
    return Problem(
        refused.code,
        refused.detail,
        detail_zh=refused.detail_zh,
        field=refused.field,
        **extra,
    )


def from_core_failure(error: CoreUnavailable | ExecutionUnknown, query_url: str) -> Problem:
    """The core's silence as a problem: not sent is 503, sent but unanswered 504."""
    if isinstance(error, ExecutionUnknown):
        return Problem("execution_unknown", query_url=query_url)
    return Problem("service_unavailable", retry_after_ms=RETRY_CORE_MS)


def from_validation(error: RequestValidationError) -> Problem:
    """The first thing that FastAPI found wrong with the path, the query or the headers."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")]
    return Problem("invalid_request", str(first["msg"]), field=".".join(place) or None)


def from_http(error: HTTPException) -> Problem:
    """Starlette's own refusals: no such route, method not allowed."""
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.NOT_FOUND:
        return Problem("not_found", headers=headers)
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Problem("service_unavailable", headers=headers)
    return Problem(
        "invalid_request", str(error.detail), headers=headers, http_status=error.status_code
    )


def install_handlers(app: FastAPI) -> None:
    """Turn every exception that leaves a route into a problem."""
    app.add_exception_handler(Problem, _answer)
    app.add_exception_handler(Refused, _answer)
    app.add_exception_handler(CoreUnavailable, _answer)
    app.add_exception_handler(ExecutionUnknown, _answer)
    app.add_exception_handler(RequestValidationError, _answer)
    app.add_exception_handler(HTTPException, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    problem = to_problem(error, request.method, request.url.path)
    if problem.status == HTTPStatus.METHOD_NOT_ALLOWED:
        problem.headers["Allow"] = _allowed_methods(request)
    return problem.response(preferred_language(request.headers.get("accept-language", "")))


def _allowed_methods(request: Request) -> str:
    """What may be done with the path; Starlette tells only of the first route that has it."""
    routes = [each for each in iter_route_contexts(request.app.routes) if each.methods]
    path = request.scope["path"]
    first = next((each.path_format for each in routes if each.path_regex.match(path)), None)
    methods = [each.methods or () for each in routes if each.path_format == first]
    return ", ".join(sorted({method for several in methods for method in several}))


def to_problem(error: Exception, method: str, path: str) -> Problem:  # noqa: PLR0911
    """What a client is told about `error`, whatever it is."""
    match error:
        case Problem():
            return error
        case Refused():
            return from_refused(error)
        case CoreUnavailable() | ExecutionUnknown():
            return from_core_failure(error, query_url=path)
        case RequestValidationError():
            return from_validation(error)
        case HTTPException():
            return from_http(error)
        case _:
            logger.error("unexpected_error", method=method, path=path, exc_info=error)
            if method in ("GET", "HEAD", "OPTIONS"):
                return Problem("internal_error")
            return Problem("execution_unknown", query_url=path)
