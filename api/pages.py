"""The pages' files over HTTP: what `web` has built, and nothing else of the disk."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

import web
from api.edge import PAGE_POLICY

# Their names carry a hash of their content.
_HASHED = "assets/"
_FOR_EVER = "public, max-age=31536000, immutable"
# Made by the build beside each file, the smallest first.
_ENCODINGS = {"br": ".br", "gzip": ".gz"}
_MISSING = (
    "<!doctype html><title>Puhui</title><p>The pages are not built: run <code>make pages</code>. "
    "页面尚未构建：请运行 <code>make pages</code>。</p>"
)

Route = Callable[[Request], Awaitable[Response]]


def install(app: FastAPI) -> None:
    """One route for each file; `index.html` is at `/` too."""
    folder = web.folder()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in _ENCODINGS.values():
            name = path.relative_to(folder).as_posix()
            app.add_route(f"/{name}", _file(path, name), include_in_schema=False)
    index = folder / "index.html"
    app.add_route(
        "/", _file(index, index.name) if index.is_file() else _not_built, include_in_schema=False
    )


def _file(path: Path, name: str) -> Route:
    """A file in memory, in all its encodings."""
    contents = {"": path.read_bytes()}
    for encoding, suffix in _ENCODINGS.items():
        compressed = path.with_name(path.name + suffix)
        if compressed.is_file():
            contents[encoding] = compressed.read_bytes()
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    # Weak: one for all encodings.
    etag = f'W/"{hashlib.sha256(contents[""]).hexdigest()[:32]}"'
    fixed = {
        "Content-Security-Policy": PAGE_POLICY,
        "Cache-Control": _FOR_EVER if name.startswith(_HASHED) else "no-cache",
        "ETag": etag,
        "Vary": "Accept-Encoding",
    }

    async def serve(request: Request) -> Response:
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=fixed)
        accepted = _accepted(request.headers.get("accept-encoding", ""))
        encoding = next((each for each in _ENCODINGS if each in contents and each in accepted), "")
        headers = {**fixed, "Content-Encoding": encoding} if encoding else fixed
        return Response(contents[encoding], headers=headers, media_type=media_type)

    return serve


def _accepted(header: str) -> set[str]:
    """The encodings that a client names and does not refuse by a weight of nothing."""
    found = set()
    for part in header.split(","):
        name, _, weight = part.strip().lower().partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            found.add(name.strip())
    return found


async def _not_built(_: Request) -> Response:
    headers = {"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-cache"}
    return Response(
        _MISSING, HTTPStatus.SERVICE_UNAVAILABLE, headers=headers, media_type="text/html"
    )
