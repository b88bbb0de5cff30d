"""JSON as the public contract reads it: nothing lenient, nothing ambiguous, every fault named.

`check` looks at the text alone and runs once for each request, before any route; `decode` turns it
into a msgspec structure, refusing unknown fields, missing ones and wrong types by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from fastapi import Request

from api.errors import Problem

T = TypeVar("T")

_FIELD_AT_END = re.compile(r" - at `\$\.?(.*)`$")
_FIELD_NAMED = re.compile(r"(?:missing required|contains unknown) field `(.*?)`")


def check(raw: bytes) -> None:
    """Refuse what some reader would take and another not. Raises Problem (invalid_request)."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem("invalid_request", "The body is not UTF-8.") from None
    try:
        _STRICT.decode(text)
        # An escaped lone surrogate passes the reader, and fails here.
        if "\\u" in text:
            msgspec.json.decode(raw)
    except RecursionError:
        raise Problem("invalid_request", "The JSON is nested too deeply.") from None
    except ValueError as error:
        raise Problem("invalid_request", f"The body is not strict JSON: {error}"[:300]) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Problem("invalid_request", "A field is given twice.", field=twice[:64])
    return members


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _number(text: str) -> int:
    return 0


# Numbers are not converted: a few thousand digits would cost more than they are worth.
_STRICT = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_constant=_no_constant,
    parse_int=_number,
    parse_float=_number,
)


def decode(raw: bytes | msgspec.Raw, into: type[T]) -> T:
    """The body as `into`. Raises Problem (invalid_request) naming the field."""
    if not raw:
        raise Problem("invalid_request", "A JSON body is needed.")
    try:
        return msgspec.json.decode(raw, type=into)
    except RecursionError:
        raise Problem("invalid_request", "The JSON is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _fault(str(error)) from None


def _fault(message: str) -> Problem:
    """msgspec's message as a problem, with the field that it names."""
    parents, field = _FIELD_AT_END.search(message), _FIELD_NAMED.search(message)
    parts = [match[1] for match in (parents, field) if match is not None and match[1]]
    text = _FIELD_AT_END.sub("", message)
    return Problem("invalid_request", f"{text[:200]}.", field=".".join(parts)[:64] or None)


def json_body(into: type[T]) -> Callable[[Request], Awaitable[T]]:
    """A dependency that reads the request's body as `into`; OpenAPI shows it (api.openapi)."""

    async def read(request: Request) -> T:
        return decode(request.scope["puhui.body"], into)

    read.body_type = into  # type: ignore[attr-defined]
    return read
