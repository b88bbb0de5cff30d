"""The engine gives the same compiled, with bounds checks, and as plain Python."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from compiled_mode import run

import engine
from engine.compiled import KERNEL_SOURCES

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "support" / "compiled_mode.py"


def _python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("flag", ["NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"])
def test_modes_agree(flag: str) -> None:
    """No integer leaves its bounds as plain Python (that would warn), no index leaves its array."""
    finished = _python(str(SCRIPT), **{flag: "1"})
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == run()


def test_the_engine_refuses_to_run_without_its_assertions() -> None:
    """Under -O the bounds would not be checked, so nothing starts."""
    finished = _python("-O", "-c", "import engine.matching.engine")
    assert finished.returncode != 0
    assert "do not run Python with -O" in finished.stderr


def test_the_cache_knows_all_sources_of_the_kernels() -> None:
    """A module that kernels import but the hash leaves out would be stale after an edit."""
    package = Path(engine.__file__).parent
    known = {path for pattern in KERNEL_SOURCES for path in package.glob(pattern)}
    code = "import sys, engine.matching.engine; print(*(m.__file__ for n, m in sys.modules.items() "
    code += "if n.startswith('engine.')), sep='\\n')"
    finished = _python("-c", code, NUMBA_DISABLE_JIT="1")
    assert finished.returncode == 0, finished.stderr
    assert {Path(line) for line in finished.stdout.split()} <= known
