"""`puhui journal`: look at a journal from outside, while no core is running."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import numpy as np
import typer

from api.cli_options import DataDir, settings_of
from engine.codes import CommandKind
from engine.journal import Journal
from engine.journal_format import JournalError
from engine.records import ADMIN_COMMAND, INSTRUMENT_COMMAND, ORDER_COMMAND, QUOTE_COMMAND

app = typer.Typer(help="Verify, count or print a journal's commands.", no_args_is_help=True)

_ORDER_KINDS = range(CommandKind.NEW_ORDER, CommandKind.CANCEL_ALL + 1)


@app.command()
def verify(data: DataDir = None) -> None:
    """Read every byte as the core's start would; an unfinished last batch is cut."""
    began = time.monotonic()
    with _opened(data) as journal:
        commands = sum(len(batch) for batch in journal.read())
    typer.echo(f"{commands} commands, all sound, in {time.monotonic() - began:.1f} s")


@app.command()
def stats(data: DataDir = None) -> None:
    """Count commands by kind, and say how large the groups were that shared a sync."""
    kinds: Counter[int] = Counter()
    batches = 0
    with _opened(data) as journal:
        for batch in journal.read():
            batches += 1
            kinds.update(batch["kind"].tolist())
        limits = asdict(journal.limits)
    commands = kinds.total()
    typer.echo(f"{commands} commands in {batches} batches, {commands / max(batches, 1):.1f} each")
    for kind, count in kinds.most_common():
        typer.echo(f"{count:12}  {_kind_name(kind)}")
    typer.echo(f"engine limits: {limits}")


@app.command()
def dump(
    data: DataDir = None,
    first: Annotated[int, typer.Option("--from", help="First sequence to print.")] = 1,
    count: Annotated[int, typer.Option("--count", help="How many commands to print.")] = 100,
) -> None:
    """Print commands, one JSON object a line."""
    left = count
    with _opened(data) as journal:
        for batch in journal.read(first):
            for record in batch:
                if left == 0:
                    return
                if record["sequence"] >= first:
                    typer.echo(json.dumps(_readable(record)))
                    left -= 1


@contextmanager
def _opened(data: DataDir) -> Iterator[Journal]:
    """The journal, or a plain sentence and the end."""
    settings = settings_of(data_dir=data)
    if not settings.journal_dir.is_dir():
        typer.echo(f"puhui: no journal in {settings.data_dir}", err=True)
        raise typer.Exit(2)
    try:
        journal = Journal(settings.journal_dir, settings.limits)
        try:
            yield journal
        finally:
            journal.close()
    except JournalError as error:
        typer.echo(f"puhui: {error}", err=True)
        raise typer.Exit(1) from error


def _readable(record: np.void) -> dict[str, int | str]:
    kind = int(record["kind"])
    if kind in _ORDER_KINDS:
        layout = ORDER_COMMAND
    elif kind == CommandKind.SET_QUOTE:
        layout = QUOTE_COMMAND
    elif kind == CommandKind.DEFINE_INSTRUMENT:
        layout = INSTRUMENT_COMMAND
    else:
        layout = ADMIN_COMMAND
    fields = np.frombuffer(record.tobytes(), layout)[0]
    names = [name for name in layout.names or () if name not in ("padding", "reserved_header")]
    return {name: int(fields[name]) for name in names} | {"kind": _kind_name(kind)}


def _kind_name(kind: int) -> str:
    return CommandKind(kind).name if kind in set(CommandKind) else f"unknown kind {kind}"
