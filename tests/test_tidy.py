"""The tree keeps the habits that a reader relies on."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("engine", "marketdata", "settlement", "api", "web", "benchmarks")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 90


def _tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


SOURCES = _tracked("*.py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_fit_in_one_head(path: Path) -> None:
    """No file is longer than a reader can hold, no function longer than about a screen."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_FILE_LINES
    too_long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert too_long == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_say_what_belongs_in_them(path: Path) -> None:
    """Each module opens with a sentence about itself and leaves no unfinished business."""
    text = path.read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring is not None
    assert len(docstring) > 20
    assert not re.search(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b", text)


def test_no_file_names_a_package_host() -> None:
    """Locks name versions and hashes; where packages come from is the machine's business."""
    for path in _tracked("requirements/*", "pyproject.toml", "Makefile", ".ci/run"):
        assert "://" not in path.read_text(encoding="utf-8"), path


def test_packages_are_those_of_the_wheel() -> None:
    """What imports-rules and types are checked for is what is shipped (and the benchmarks)."""
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == set(PACKAGES)
