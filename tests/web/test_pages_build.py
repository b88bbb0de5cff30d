"""The pages' build, their own tests, and the types that they share with the interface."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import web
from web import api_types, build_pages


def test_the_pages_are_built_once(pages_are_built: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is an index page; the same sources are not built again."""
    assert (web.folder() / "index.html").is_file()

    def refuse(*_: str) -> None:
        pytest.fail("built again")

    monkeypatch.setattr(build_pages, "_run_node", refuse)
    build_pages.build()


def test_the_pages_own_tests_pass(pages_are_built: None) -> None:
    """Decimals, the book and the stream's client, in Node."""
    found = subprocess.run(
        [build_pages._node(), *build_pages._CHECKS["test"]],
        cwd=build_pages.FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout


def test_types_are_those_of_the_interface() -> None:
    """After a change of bodies or answers: python -m web.api_types."""
    assert api_types.TARGET.read_text("utf-8") == api_types.render()


def test_first_load_is_small(pages_are_built: None) -> None:
    """What index.html itself loads stays far below 300 kB of compressed script."""
    text = (web.folder() / "index.html").read_text("utf-8")
    scripts = [path for path in Path(web.folder(), "assets").glob("*.js.br") if path.stem in text]
    assert 0 < sum(path.stat().st_size for path in scripts) < 150_000
