"""docs/protocol.md as tables that tests can compare with the code."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"


def table(title: str) -> list[list[str]]:
    """The rows (cells without back-quotes) of the table under the heading "### `title`"."""
    rows: list[list[str]] = []
    is_inside = False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            is_inside = line == f"### `{title}`"
        elif is_inside and line.startswith("| "):
            cells = line.replace("\\|", "or").strip("| ").split(" | ")
            rows.append([cell.strip("`") for cell in cells])
    return rows[1:]  # the first is the heading of the columns
