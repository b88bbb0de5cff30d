"""OpenAPI of the REST interface, and a page that shows it without anything from outside.

Bodies are msgspec structures read by `json_body`; their schemas are put into the document here,
as are the problems and the ways to authenticate, which are the same for all routes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from html import escape
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api import auth
from api.answers import ANSWERS, ProblemAnswer
from api.errors import MEDIA_TYPE
from api.messages import CATALOGUE, preferred_language
from api.openapi_examples import BODY_EXAMPLES, PATH_EXAMPLES
from api.openapi_zh import OPERATIONS_ZH, PARTS_ZH

_REFERENCE = "#/components/schemas/{name}"
_PAGE_POLICY = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'"
_SECURITY_SCHEMES = {
    "session": {"type": "http", "scheme": "bearer", "description": "From POST /v1/sessions."},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "key_time": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Timestamp",
        "description": "Milliseconds since 1970; at most 5 s off.",
    },
    "key_signature": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Signature",
        "description": "Base64 Ed25519 over timestamp, METHOD, path?query and SHA-256 (hex) of the "
        "body, joined by line feeds.",
    },
}
_SECURITY: list[dict[str, list[str]]] = [
    {"session": []},
    {"key": [], "key_time": [], "key_signature": []},
]
_AUTHENTICATING = (auth.caller, auth.copying_caller, auth.trading_caller, auth.cancelling_caller)


def install(app: FastAPI) -> None:
    """Serve the finished document at /openapi.json and a page of it at /docs."""
    plain = app.openapi
    document: dict[str, Any] = {}

    def finished() -> dict[str, Any]:
        if not document:
            document.update(_finish(plain(), _shown_routes(app)))
        return document

    app.openapi = finished  # type: ignore[method-assign]

    async def page(request: Request) -> Response:
        """In the language that is asked for with ?lang=, or else by the browser."""
        asked = request.query_params.get("lang") or request.headers.get("accept-language", "")
        language = preferred_language(asked)
        headers = {
            "Content-Security-Policy": _PAGE_POLICY,
            "Content-Language": language,
            "Vary": "Accept-Language",
        }
        return HTMLResponse(_page(finished(), language), headers=headers)

    app.add_route("/docs", page, include_in_schema=False)


def _shown_routes(app: FastAPI) -> list[RouteContext]:
    """All routes of the document, with the paths and dependencies of the routers around them."""
    return [
        route
        for route in iter_route_contexts(app.routes)
        if isinstance(route.original_route, APIRoute) and route.include_in_schema
    ]


def _finish(document: dict[str, Any], routes: list[RouteContext]) -> dict[str, Any]:
    bodies = [_body_type(route.dependant) for route in routes]
    types = {body for body in bodies if body is not None} | set(ANSWERS.values())
    schemas = msgspec.json.schema_components(
        sorted({*types, ProblemAnswer}, key=lambda each: each.__name__), ref_template=_REFERENCE
    )[1]
    components = document.setdefault("components", {})
    components["schemas"] = {
        name: schema
        for name, schema in (components.get("schemas", {}) | schemas).items()
        if name not in ("HTTPValidationError", "ValidationError")
    }
    components["securitySchemes"] = _SECURITY_SCHEMES
    components["responses"] = {"Problem": _problem_response()}
    for route, body in zip(routes, bodies, strict=True):
        for method in route.methods or ():
            operation = document["paths"][route.path_format][method.lower()]
            _finish_operation(operation, route, body, method)
    return document


def _finish_operation(
    operation: dict[str, Any], route: RouteContext, body: type | None, method: str
) -> None:
    if body is not None:
        content = _json(body.__name__)
        if body.__name__ in BODY_EXAMPLES:
            content["application/json"]["example"] = BODY_EXAMPLES[body.__name__]
        operation["requestBody"] = {"required": True, "content": content}
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path" and parameter["name"] in PATH_EXAMPLES:
            parameter["example"] = PATH_EXAMPLES[parameter["name"]]
    operation["responses"].pop("422", None)
    operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
    answer = ANSWERS.get((method, route.path_format or ""))
    if answer is not None:
        success = operation["responses"].setdefault(
            str(route.status_code or 200), {"description": "Done"}
        )
        success["content"] = success.get("content", {}) | _json(answer.__name__)
        if route.status_code == HTTPStatus.CREATED and _may_be_repeated(operation, body):
            text = "The same request again, or a rehearsal: nothing new was done"
            repeated = {"description": text, "content": _json(answer.__name__)}
            operation["responses"].setdefault("200", repeated)
        if (method, route.path_format) == ("POST", "/v1/operator/cash"):
            text = "Waits for a second person's approval"
            waiting = {"description": text, "content": _json(answer.__name__)}
            operation["responses"]["202"] = waiting
    if _authenticates(route.dependant):
        operation["security"] = _SECURITY


def _may_be_repeated(operation: dict[str, Any], body: type | None) -> bool:
    names = {parameter["name"].lower() for parameter in operation.get("parameters", ())}
    has_own_id = "client_order_id" in getattr(body, "__struct_fields__", ())
    return has_own_id or bool(names & {"idempotency-key", "dry_run"})


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(name=name)}}}


def _problem_response() -> dict[str, Any]:
    codes = ", ".join(f"{code} ({entry.status})" for code, entry in CATALOGUE.items())
    example = {
        "type": "urn:puhui:problem:price_off_tick",
        "title": CATALOGUE["price_off_tick"].title,
        "status": CATALOGUE["price_off_tick"].status,
        "detail": CATALOGUE["price_off_tick"].detail,
        "code": "price_off_tick",
        "field": "price",
        "limit": "0.01",
    }
    schema = {"$ref": _REFERENCE.format(name=ProblemAnswer.__name__)}
    return {
        "description": f"A problem (RFC 9457). Codes: {codes}.",
        "content": {MEDIA_TYPE: {"schema": schema, "example": example}},
    }


def _walk(dependant: Dependant) -> Iterator[Dependant]:
    for each in dependant.dependencies:
        yield each
        yield from _walk(each)


def _body_type(dependant: Dependant) -> type | None:
    for each in _walk(dependant):
        found: type | None = getattr(each.call, "body_type", None)
        if found is not None:
            return found
    return None


def _authenticates(dependant: Dependant) -> bool:
    return any(each.call in _AUTHENTICATING for each in _walk(dependant))


def _page(document: dict[str, Any], language: str) -> str:
    """The document as plain HTML, in the pages' own style, part by part."""
    is_chinese = language == "zh"
    title = escape(document["info"]["title"])
    parts: dict[str, list[str]] = defaultdict(list)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            name = f"{method.upper()} {path}"
            text = OPERATIONS_ZH.get(name) if is_chinese else None
            section = _section(document, name, operation, text or operation.get("description", ""))
            parts[operation.get("tags", ["service"])[0]].append(section)
    names = {part: PARTS_ZH.get(part, part) if is_chinese else part for part in parts}
    links = "".join(f'<a href="#{escape(part)}">{escape(names[part])}</a>' for part in parts)
    machine, market = ("机器可读", "市场") if is_chinese else ("Machine-readable", "Market")
    return "".join(
        [
            f'<!doctype html><html lang="{"zh-CN" if is_chinese else "en"}"><head>',
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}: API</title>",
            '<link rel="stylesheet" href="/reference.css">',
            f'</head><body><main class="reference"><h1>{title}: API</h1>',
            '<p><a href="?lang=zh">中文</a> · <a href="?lang=en">English</a></p>',
            f'<p>{machine}: <a href="/openapi.json">/openapi.json</a> (REST),'
            f' <a href="/asyncapi.yaml">/asyncapi.yaml</a> (WebSocket).'
            f' <a href="/">{market}</a></p>',
            f"<nav>{links}</nav>",
            *(
                f'<h2 id="{escape(part)}">{escape(names[part])}</h2>{"".join(sections)}'
                for part, sections in parts.items()
            ),
            "</main></body></html>",
        ]
    )


def _section(document: dict[str, Any], name: str, operation: dict[str, Any], text: str) -> str:
    """One operation: what it does, its parameters, the members of its body, an example."""
    body = ""
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        body = _members(document, content["schema"])
        if "example" in content:
            example = json.dumps(content["example"], ensure_ascii=False, indent=2)
            body += f"<pre>{escape(example)}</pre>"
    return (
        f"<section><h3><code>{escape(name)}</code></h3>"
        f"<p>{escape(text)}</p>{_parameters(operation)}{body}</section>"
    )


def _parameters(operation: dict[str, Any]) -> str:
    items = [
        f"<li><code>{escape(each['name'])}</code> ({escape(each['in'])})</li>"
        for each in operation.get("parameters", ())
    ]
    return f"<ul>{''.join(items)}</ul>" if items else ""


def _members(document: dict[str, Any], schema: dict[str, Any]) -> str:
    """The members of a body as a table."""
    name = schema.get("$ref", "").rpartition("/")[2]
    found = document["components"]["schemas"].get(name, schema)
    required = found.get("required", ())
    rows = [
        f"<tr><td><code>{escape(member)}</code></td><td>{escape(_kind(kind))}</td>"
        f"<td>{'required' if member in required else ''}</td></tr>"
        for member, kind in found.get("properties", {}).items()
    ]
    return f"<table>{''.join(rows)}</table>"


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(_kind(each) for each in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("type", "any"))
