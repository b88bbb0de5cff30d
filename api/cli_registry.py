"""`puhui registry`: what a registrar does from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli_options import DataDir, settings_of

app = typer.Typer(help="The registry of credits.", no_args_is_help=True)


@app.callback()
def registry() -> None:
    """The registry of credits."""


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="Transactions as Verra's registry exports them.")],
    data: DataDir = None,
    database_url: Annotated[
        str | None, typer.Option("--database-url", help="Instead of the data folder's SQLite.")
    ] = None,
    account: Annotated[
        str | None, typer.Option("--account", help="Who holds what is not retired.")
    ] = None,
) -> None:
    """Import projects, issues with their serial blocks, and retirements; a second time, nothing."""
    from rich.console import Console
    from rich.progress import Progress

    from engine.units import EXCHANGE_ACCOUNT
    from settlement import identity, importer
    from settlement.database import Database
    from settlement.errors import Refused

    settings = settings_of(data_dir=data, database_url=database_url)
    try:
        total = importer.count_lines(file)
        database = Database(settings.database)
        try:
            database.migrate()
            holder = EXCHANGE_ACCOUNT
            if account is not None:
                with database.read() as session:
                    holder = identity.account_number(session, account)
            with Progress(console=Console(stderr=True), transient=True) as progress:
                task = progress.add_task("Importing", total=total)
                counts = importer.import_file(
                    database, file, holder, lambda rows: progress.advance(task, rows)
                )
        finally:
            database.close()
    except (importer.ImportFileError, Refused) as error:
        typer.echo(f"puhui: {error}", err=True)
        raise typer.Exit(2) from error
    for line in importer.report(counts):
        typer.echo(line)
    for fault in counts.faults:
        typer.echo(f"line {fault.line}: {fault.reason}", err=True)
    raise typer.Exit(1 if counts.faults else 0)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Written in the shape that import reads.")],
    data: DataDir = None,
    database_url: Annotated[
        str | None, typer.Option("--database-url", help="Instead of the data folder's SQLite.")
    ] = None,
) -> None:
    """Write what was imported, as it stands now: every serial block and retirement."""
    from settlement import exporter
    from settlement.database import Database

    settings = settings_of(data_dir=data, database_url=database_url)
    database = Database(settings.database)
    try:
        database.migrate()
        count = exporter.export_file(database, file)
    except OSError as error:
        typer.echo(f"puhui: {error}", err=True)
        raise typer.Exit(2) from error
    finally:
        database.close()
    typer.echo(f"{count:,} serial blocks")
