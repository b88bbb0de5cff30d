"""`puhui settle DATE`: the end-of-day run from the command line, with its progress and totals."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from api import settlement_views as views
from api.cli_options import DataDir, Demo, settings_of
from api.core_client import CoreClient, CoreUnavailable
from api.settings import Settings
from api.sync_core import SyncCore
from engine.times import day_number
from engine.units import EXCHANGE_ACCOUNT
from settlement import clearing, identity
from settlement.clearing import Clearing
from settlement.database import Database
from settlement.errors import Refused
from settlement.intake import Intake, intake_lease, wait_for_intake

# A command on its own, mounted like the groups of commands: options may follow the date.
app = typer.Typer(
    invoke_without_command=True,
    subcommand_metavar="",
    context_settings={"allow_interspersed_args": True},
)
_CONSOLE = Console()
_POLL_SECONDS = 0.1


@app.callback()
def settle(
    date: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="The trading day.")],
    data: DataDir = None,
    demo: Demo = None,
) -> None:
    """Settle a trading day: net, deliver against payment, roll, write statements, reconcile.

    The core must be running. A run that was interrupted is carried on; with --demo the market is
    opened again at once.
    """
    settings = settings_of(data_dir=data, demo=demo)
    try:
        asyncio.run(_settle(settings, day_number(date.date())))
    except CoreUnavailable as error:
        typer.echo(f"puhui: the core cannot be reached at {settings.socket_path}", err=True)
        raise typer.Exit(1) from error
    except Refused as refused:
        typer.echo(f"puhui: {refused.detail}", err=True)
        raise typer.Exit(1) from refused


async def _settle(settings: Settings, trading_day: int) -> None:
    core = await CoreClient.connect(settings.socket_path, "settle")
    database = Database(settings.database)
    lease = intake_lease(settings.data_dir)
    intake: Intake | None = None
    link: CoreClient | None = None
    try:
        await asyncio.to_thread(database.migrate)
        if lease.acquire():
            # No back office is running, so nobody else takes the core's events into the database.
            intake = Intake(database)
            link = await CoreClient.connect(settings.socket_path, "intake", intake.consume)
            first_sequence = await asyncio.to_thread(intake.checkpoint) + 1
            await link.subscribe(first_sequence)
            await _catch_up(core, database)
        port = SyncCore(core, asyncio.get_running_loop())
        work = Clearing(database, port, settings.data_dir, reopen=settings.demo)
        run_id = await asyncio.to_thread(work.begin, trading_day)
        await asyncio.to_thread(_carry_out, work, database, run_id)
    finally:
        for client in (link, core):
            if client is not None:
                await client.close()
        if intake is not None:
            await asyncio.to_thread(intake.close)
        await asyncio.to_thread(database.close)
        lease.release()


async def _catch_up(core: CoreClient, database: Database) -> None:
    """Wait until the database has everything that the core had when the command began."""
    sequence = (await core.account(EXCHANGE_ACCOUNT)).sequence
    await asyncio.to_thread(wait_for_intake, database, sequence)


def _carry_out(work: Clearing, database: Database, run_id: str) -> None:
    """Carry the run out and show it; if the back office is at it, wait until it is done."""
    failures: list[Exception] = []

    def run() -> None:
        try:
            while not work.run(run_id):
                time.sleep(_POLL_SECONDS)
        except Exception as error:
            failures.append(error)

    worker = threading.Thread(target=run, name="settlement")
    worker.start()
    with Progress(console=_CONSOLE) as progress:
        task = progress.add_task("settling", total=100)
        while worker.is_alive():
            _show_progress(progress, task, _read(database, run_id))
            worker.join(_POLL_SECONDS)
        outcome = _read(database, run_id)
        _show_progress(progress, task, outcome)
    if failures:
        raise failures[0]
    _print_outcome(outcome)
    if outcome["breaks"]:
        raise typer.Exit(1)


def _read(database: Database, run_id: str) -> dict[str, Any]:
    with database.read() as session:
        return views.render_run(clearing.report(session, run_id), identity.account_codes(session))


def _show_progress(progress: Progress, task: TaskID, outcome: dict[str, Any]) -> None:
    step = outcome["progress"]["step"] or outcome["status"]
    progress.update(task, completed=outcome["progress"]["percent"], description=step)


def _print_outcome(outcome: dict[str, Any]) -> None:
    totals = Table(title=f"{outcome['date']}: {outcome['status']}", show_header=False)
    for name, value in outcome["totals"].items():
        totals.add_row(name, str(value))
    totals.add_row("run_id", outcome["run_id"])
    totals.add_row("next trading day", outcome["next_date"])
    _CONSOLE.print(totals)
    prices = Table("symbol", "close", "previous", "method", "trades", "volume", "notional")
    for price in outcome["prices"]:
        prices.add_row(
            *(price["symbol"], price["closing_price"], price["previous_price"], price["method"]),
            *(str(price["trades"]), price["volume"], price["notional"]),
        )
    _CONSOLE.print(prices)
    if outcome["breaks"]:
        breaks = Table("break", "account", "asset", "engine", "ledger", "custody")
        for found in outcome["breaks"]:
            breaks.add_row(*found.values())
        _CONSOLE.print(breaks)
