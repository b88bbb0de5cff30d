"""`puhui settle`: with a gateway and without one, its output and its exit codes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from exchange_driver import running_core, running_exchange
from typer.testing import CliRunner, Result

from api.cli_settle import app


async def settle(*arguments: str) -> Result:
    """Run the command in a thread: it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, arguments)


async def test_with_and_without_a_gateway(tmp_path: Path) -> None:
    """A gateway does the intake, or else the command does it itself; a day is settled once."""
    today = datetime.now(UTC).date().isoformat()
    data = ("--data", str(tmp_path))
    async with running_exchange(tmp_path):
        done = await settle(today, *data, "--demo")
        assert done.exit_code == 0, done.output
        assert f"{today}: completed" in done.output
        assert "GD-PHCER" in done.output
        again = await settle(today, *data)
        assert (again.exit_code, again.stderr) == (1, f"puhui: {today} is settled.\n")
        wrong = await settle("1999-01-01", *data)
        assert wrong.exit_code == 1
        assert "is not the present trading day" in wrong.stderr
        following = wrong.stderr.strip().removesuffix(".").rpartition(" ")[2]
    async with running_core(tmp_path):
        done = await settle(following, *data)
        assert done.exit_code == 0, done.output
        assert f"{following}: completed" in done.output


async def test_without_a_core(tmp_path: Path) -> None:
    """Nothing can be settled, and the reason is said plainly."""
    failed = await settle("2026-11-20", "--data", str(tmp_path))
    assert failed.exit_code == 1
    assert "the core cannot be reached" in failed.stderr


async def test_a_date_that_is_none(tmp_path: Path) -> None:
    """A date is written as YYYY-MM-DD."""
    assert (await settle("20-11", "--data", str(tmp_path))).exit_code == 2
