"""The measured start-up really starts an engine, in a process of its own."""

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks import start_up


def test_steps_add_up_to_less_than_the_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The whole holds the interpreter's own start too; without the JIT nothing is kept on disk."""
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    ran: list[dict[str, str]] = []
    run = subprocess.run

    def run_uncompiled(*arguments: object, **options: object) -> object:
        environment = options["env"]
        assert isinstance(environment, dict)
        ran.append(environment)
        options["env"] = environment | {"NUMBA_DISABLE_JIT": "1"}  # compiling takes too long here
        return run(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", run_uncompiled)
    seconds = start_up.started(tmp_path)
    assert set(seconds) == {*start_up.STEPS, "whole"}
    assert 0 < sum(seconds[step] for step in start_up.STEPS) < seconds["whole"]
    assert ran[0]["XDG_CACHE_HOME"] == str(tmp_path)
    assert "NUMBA_DISABLE_JIT" not in ran[0], "what is measured is the engine as it is shipped"


def test_one_line_tells_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    """What the process prints is JSON and nothing else."""
    start_up.main()
    seconds = json.loads(capsys.readouterr().out)
    assert tuple(seconds) == start_up.STEPS
    assert all(value >= 0 for value in seconds.values())
