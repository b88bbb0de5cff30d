"""docs/reliability.md and docs/security.md name tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("page", ["reliability.md", "security.md"])
def test_every_fault_has_its_test(page: str) -> None:
    """Each row of the tables leads to a test."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not re.search(rf"def {name}\(", (ROOT / path).read_text("utf-8"))
    ]
    assert len(named) > 20
    assert missing == []
