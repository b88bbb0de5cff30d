"""`puhui audit`: whether the records of what people did are as they were written."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli_options import DataDir, settings_of

app = typer.Typer(help="The audit log.", no_args_is_help=True)


@app.callback()
def audit() -> None:
    """The audit log."""


@app.command()
def verify(
    data: DataDir = None,
    database_url: Annotated[
        str | None, typer.Option("--database-url", help="Instead of the data folder's SQLite.")
    ] = None,
    head: Annotated[
        str | None,
        typer.Option("--head", help="SEQUENCE:HASH as printed before: it must still be there."),
    ] = None,
) -> None:
    """Follow the chain from its first record; names the first that does not continue it.

    The chain shows changed, removed and inserted records, but not that its end was cut off, or all
    of it written anew: for that, keep the printed head somewhere else and give it next time.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from settlement import identity
    from settlement.database import Database

    database = Database(settings_of(data_dir=data, database_url=database_url).database)
    try:
        with database.read() as session:
            broken = identity.first_broken_audit_record(session)
            latest = identity.audit_records(session, 2**63 - 1, 1)
            found = [
                f"{record.sequence}:{record.hash}"
                for record in identity.audit_records(session, _sequence_of(head) + 1, 1)
            ]
    except SQLAlchemyError as error:
        typer.echo(f"puhui: the database cannot be read: {error}", err=True)
        raise typer.Exit(2) from error
    finally:
        database.close()
    if broken is not None:
        typer.echo(f"broken: record {broken} does not continue the chain", err=True)
        raise typer.Exit(1)
    if head is not None and found != [head]:
        typer.echo("broken: the given head is not in the chain", err=True)
        raise typer.Exit(1)
    if latest:
        typer.echo(f"intact, head {latest[0].sequence}:{latest[0].hash}")
    else:
        typer.echo("intact: there are no records yet")


def _sequence_of(head: str | None) -> int:
    """The sequence of a head. Ends the program if that is none."""
    if head is None:
        return 0
    sequence = head.partition(":")[0]
    if not (sequence.isascii() and sequence.isdigit() and len(sequence) <= 18):
        typer.echo("puhui: a head is SEQUENCE:HASH", err=True)
        raise typer.Exit(2)
    return int(sequence)
