"""ARCHITECTURE.md describes the tree as it is."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("engine", "marketdata", "settlement", "api")
NAMED = re.findall(
    r"`([a-z]+/[a-z_/]*(?:\.[a-z]+)?)`", (ROOT / "ARCHITECTURE.md").read_text("utf-8")
)


def test_what_it_names_exists() -> None:
    """No row of the map leads nowhere; the data folder's own names are not paths of the tree."""
    in_data_folder = {"journal/", "events/", "snapshots/"}
    assert [name for name in set(NAMED) - in_data_folder if not (ROOT / name).exists()] == []


def test_every_module_is_on_the_map() -> None:
    """A new file needs a place that can be said, in its own row or in its folder's."""
    sources = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py"
    }
    folders = tuple(name for name in NAMED if name.endswith("/") and name.count("/") > 1)
    assert (
        sorted(sources - set(NAMED) - {path for path in sources if path.startswith(folders)}) == []
    )
