"""docs/reliability.md names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
NAMED = re.findall(
    r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "reliability.md").read_text("utf-8")
)


def test_every_fault_has_its_test() -> None:
    """Each row of the table leads to a test."""
    missing = [
        f"{path}::{name}"
        for path, name in NAMED
        if not re.search(rf"def {name}\(", (ROOT / path).read_text("utf-8"))
    ]
    assert len(NAMED) > 20
    assert missing == []
