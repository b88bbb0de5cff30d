"""`puhui replay`, `snapshot`, `backup`, `restore`: a data folder's tools, beside a running core."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from api.cli_options import DataDir, settings_of
from engine.journal_format import JournalError

Until = Annotated[int | None, typer.Option("--until", help="Last command; else the last there is.")]
InFull = Annotated[bool, typer.Option("--in-full", help="From the first command, every mark.")]
Accounts = Annotated[bool, typer.Option("--accounts", help="Print accounts and positions.")]
Books = Annotated[bool, typer.Option("--books", help="Print open orders, as they would trade.")]
WithoutDatabase = Annotated[bool, typer.Option("--without-database", help="A server dumps it.")]


def replay(
    data: DataDir = None,
    until: Until = None,
    in_full: InFull = False,
    accounts: Accounts = False,
    books: Books = False,
) -> None:
    """Replay the journal up to a command and print the state's hash; nothing is changed."""
    from api.data_folder import last_durable, replayed
    from engine.state import state_hash

    data_dir = settings_of(data_dir=data).data_dir
    with plainly():
        sequence = until or last_durable(data_dir)
        with progress(MofNCompleteColumn()) as bar:
            task = bar.add_task("Replaying", total=sequence)
            engine = replayed(
                data_dir,
                sequence,
                in_full=in_full,
                on_progress=lambda done: bar.update(task, completed=done),
            )
    state = engine.export()
    typer.echo(f"{sequence} {state_hash(state)}")
    if accounts:
        _print_rows("account", state.accounts[state.accounts["is_open"] != 0])
        _print_rows("position", state.positions)
        _print_rows("allowance", state.allowances)
    if books:
        _print_rows("order", state.orders)


def snapshot(data: DataDir = None) -> None:
    """Write a snapshot of the last command, so that the next start is a short one."""
    from api.data_folder import last_durable
    from engine.snapshotter import make_snapshot

    data_dir = settings_of(data_dir=data).data_dir
    with plainly():
        sequence = last_durable(data_dir)
        with progress(MofNCompleteColumn()) as bar:
            task = bar.add_task("Replaying", total=sequence)
            header = make_snapshot(
                data_dir, sequence, on_progress=lambda done: bar.update(task, completed=done)
            )
    typer.echo(f"{header.sequence} {header.state_hash}")


def backup(target: Path, data: DataDir = None, without_database: WithoutDatabase = False) -> None:
    """Copy journal, events, newest snapshot and database into a new folder, and read it again."""
    from api.backup import back_up, total_bytes

    settings = settings_of(data_dir=data)
    url = "" if without_database else settings.database
    with plainly(), copying("Copying", 2 * total_bytes(settings.data_dir)) as on_bytes:
        manifest = back_up(settings.data_dir, url, target, on_bytes)
    typer.echo(f"{len(manifest.files)} files, up to command {manifest.sequence}, read and sound")


def restore(source: Path, data: DataDir = None) -> None:
    """Make a new data folder from a backup, and read it again."""
    from api.backup import restore_backup, total_bytes

    settings = settings_of(data_dir=data)
    with plainly(), copying("Restoring", total_bytes(source)) as on_bytes:
        manifest = restore_backup(source, settings.data_dir, on_bytes)
    typer.echo(f"{len(manifest.files)} files, up to command {manifest.sequence}, read and sound")


@contextmanager
def plainly() -> Iterator[None]:
    """Failures as a plain sentence and a status."""
    from api.data_folder import FolderError

    try:
        yield
    except FolderError as error:
        typer.echo(f"puhui: {error}", err=True)
        raise typer.Exit(2) from error
    except (JournalError, OSError) as error:
        typer.echo(f"puhui: {error}", err=True)
        raise typer.Exit(1) from error


@contextmanager
def progress(amount: ProgressColumn) -> Iterator[Progress]:
    """A bar on the terminal, if there is one."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        yield bar


@contextmanager
def copying(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar that counts bytes."""
    with progress(DownloadColumn()) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


def _print_rows(what: str, rows: np.ndarray) -> None:
    """One JSON object a row, with the names of the layout."""
    names = [name for name in rows.dtype.names or () if name not in ("padding", "reserved")]
    for row in rows:
        typer.echo(json.dumps({"row": what} | {name: int(row[name]) for name in names}))
