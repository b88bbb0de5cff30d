"""docs/ccxt.md names routes, functions and codes that exist, and every code."""

from __future__ import annotations

import re
from pathlib import Path

from exchange_driver import Exchange

from api.client import Stream, calls
from api.messages import CATALOGUE

PAGE = (Path(__file__).parents[2] / "docs" / "ccxt.md").read_text("utf-8")
METHODS, ERRORS = (
    PAGE.split(f"## {title}\n")[1].split("\n## ")[0] for title in ("Methods", "Errors")
)


def rows(section: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [line.strip("| ").split(" | ") for line in lines]


async def test_routes_exist(exchange: Exchange) -> None:
    """Each method's route is in the published interface."""
    paths = (await exchange.public.get("/openapi.json")).json()["paths"]
    known = {(method.upper(), path) for path, item in paths.items() for method in item}
    named = re.findall(r"(GET|POST|PATCH|DELETE|PUT) (/v1/[a-z0-9/{}_-]+)", METHODS)
    assert len(named) > 15
    assert set(named) - known == set()


def test_functions_exist() -> None:
    """The last column names what the client has."""
    for cells in rows(METHODS):
        for name in re.findall(r"`(\w+)`", cells[-1]):
            assert hasattr(calls, name) or hasattr(Stream, name), name


def test_every_code_has_its_exception() -> None:
    """No refusal is left to chance."""
    named = {name for cells in rows(ERRORS) for name in re.findall(r"`(\w+)`", cells[0])}
    assert named - {"code"} == set(CATALOGUE)
