"""The pages' files over HTTP, where they are built and where they are not."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

import web
from api import pages


def client(folder: Path, monkeypatch: pytest.MonkeyPatch) -> httpx.AsyncClient:
    """Of an application that has nothing but the pages in this folder."""
    monkeypatch.setattr(web, "folder", lambda: folder)
    app = FastAPI(docs_url=None, openapi_url=None)
    pages.install(app)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def test_without_a_build_the_page_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In both languages, and not as an error of the exchange."""
    async with client(tmp_path / "missing", monkeypatch) as public:
        answer = await public.get("/")
    assert answer.status_code == 503
    assert answer.text.count("make pages") == 2


@pytest.mark.parametrize(
    ("accepted", "sent"),
    [
        ("", b"plain"),
        ("gzip", b"gz"),
        ("gzip, br", b"br"),
        ("br;q=0, gzip;q=0.5", b"gz"),
        ("BR ; q=1", b"br"),
        ("identity, *;q=0", b"plain"),
    ],
)
async def test_the_best_encoding_that_the_client_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accepted: str, sent: bytes
) -> None:
    """Compressed twins are no files of their own, and a weight of nothing is a refusal."""
    (tmp_path / "assets").mkdir()
    for name, content in (("a.js", b"plain"), ("a.js.br", b"br"), ("a.js.gz", b"gz")):
        (tmp_path / "assets" / name).write_bytes(content)
    async with client(tmp_path, monkeypatch) as public:
        headers = {"Accept-Encoding": accepted}
        async with public.stream("GET", "/assets/a.js", headers=headers) as answer:
            raw = b"".join([chunk async for chunk in answer.aiter_raw()])
        assert raw == sent
        assert (await public.get("/assets/a.js.br")).status_code == 404
