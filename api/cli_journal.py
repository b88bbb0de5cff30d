"""`puhui journal`: look at a journal from outside, whether or not a core is running."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, NamedTuple

import numpy as np
import typer
from rich.progress import MofNCompleteColumn

from api.cli_options import DataDir, settings_of
from api.cli_state import plainly, progress
from api.data_folder import archive as archive_segments
from api.data_folder import last_durable
from engine.codes import CommandKind
from engine.journal import open_segments, read_entries
from engine.journal_format import Batch, Mark
from engine.records import ADMIN_COMMAND, INSTRUMENT_COMMAND, ORDER_COMMAND, QUOTE_COMMAND
from engine.segments import Segments, first_sequence_of
from engine.state import EngineLimits

app = typer.Typer(help="Verify, count or print a journal's commands.", no_args_is_help=True)

_ORDER_KINDS = range(CommandKind.NEW_ORDER, CommandKind.CANCEL_ALL + 1)


@app.command()
def verify(data: DataDir = None) -> None:
    """Read every byte as the core's start would; with no core, an unfinished last batch is cut."""
    began = time.monotonic()
    commands = marks = 0
    with _opened(data) as journal, progress(MofNCompleteColumn()) as bar:
        task = bar.add_task("Verifying", total=journal.last_sequence)
        for entry in journal.entries():
            if isinstance(entry, Mark):
                marks += 1
            else:
                commands += len(entry.records)
                bar.update(task, completed=int(entry.records[-1]["sequence"]))
    seconds = time.monotonic() - began
    typer.echo(f"{commands} commands, {marks} marks, all sound, in {seconds:.1f} s")


@app.command()
def stats(data: DataDir = None) -> None:
    """Count commands by kind, and say how large the groups were that shared a sync."""
    kinds: Counter[int] = Counter()
    batches = 0
    with _opened(data) as journal, progress(MofNCompleteColumn()) as bar:
        task = bar.add_task("Counting", total=journal.last_sequence)
        for batch in journal.batches():
            batches += 1
            kinds.update(batch["kind"].tolist())
            bar.update(task, completed=int(batch[-1]["sequence"]))
    commands = kinds.total()
    typer.echo(f"{commands} commands in {batches} batches, {commands / max(batches, 1):.1f} each")
    for kind, count in kinds.most_common():
        typer.echo(f"{count:12}  {_kind_name(kind)}")
    typer.echo(f"engine limits: {asdict(journal.limits)}")


@app.command()
def dump(
    data: DataDir = None,
    first: Annotated[int, typer.Option("--from", help="First sequence to print.")] = 1,
    count: Annotated[int, typer.Option("--count", help="How many commands to print.")] = 100,
) -> None:
    """Print commands, one JSON object a line."""
    left = count
    with _opened(data) as journal:
        for batch in journal.batches(first):
            for record in batch:
                if left == 0:
                    return
                if record["sequence"] >= first:
                    typer.echo(json.dumps(_readable(record)))
                    left -= 1


@app.command()
def archive(data: DataDir = None) -> None:
    """Put away whole segments, of commands and events, that no snapshot and no database needs.

    While no core is running; a running one does it by itself where PUHUI_ARCHIVE_OLD_SEGMENTS=true.
    """
    settings = settings_of(data_dir=data)
    with plainly():
        count, below = archive_segments(settings.data_dir, settings.database)
    typer.echo(f"{count} segments archived, all of commands before {below}")


class _ReadOnly(NamedTuple):
    """A journal as it is now, whether or not a core goes on writing it."""

    segments: Segments
    limits: EngineLimits
    last_sequence: int

    def entries(self, first_sequence: int = 0) -> Iterator[Batch | Mark]:
        first = max(first_sequence, first_sequence_of(self.segments.paths()[0]))
        return read_entries(self.segments, first, self.last_sequence)

    def batches(self, first_sequence: int = 0) -> Iterator[np.ndarray]:
        entries = self.entries(first_sequence)
        return (entry.records for entry in entries if isinstance(entry, Batch))


@contextmanager
def _opened(data: DataDir) -> Iterator[_ReadOnly]:
    """The journal, or a plain sentence and the end."""
    settings = settings_of(data_dir=data)
    with plainly():
        sequence = last_durable(settings.data_dir)
        yield _ReadOnly(*open_segments(settings.journal_dir), sequence)


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
