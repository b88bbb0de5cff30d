"""The day of the settlement benchmark settles without a break, and its rows load as they are."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import func, select

from benchmarks.settled_day import (
    TRADING_DAY,
    WRITTEN,
    SettledDay,
    Size,
    block_count,
    load_bare,
    rows_written,
)
from settlement import blocks, ledger
from settlement.clearing import Clearing, report
from settlement.database import Database

SIZE = Size(fills=2_000, accounts=50, instruments=4, blocks=40)


def test_a_small_day(tmp_path: Path) -> None:
    """Engine, ledger and custody agree on what was drawn; the bare load has the same rows."""
    databases = [Database(f"sqlite:///{tmp_path / name}.db") for name in ("one", "other")]
    for database in databases:
        database.migrate()
    day, _ = [SettledDay(database, SIZE, 7) for database in databases]
    before = block_count(databases[0])
    work = Clearing(databases[0], day, tmp_path, reopen=True)
    run_id = work.begin(TRADING_DAY)
    assert work.run(run_id)
    rows = rows_written(databases[0], before)
    load_bare(databases[1], rows)
    counts = []
    for database in databases:
        with database.read() as session:
            outcome = report(session, run_id)
            assert (outcome.run.status, outcome.breaks, outcome.statements) == ("completed", [], 50)
            assert blocks.partition_faults(session) == []
            assert ledger.imbalances(session) == []
            tables = [kind.__table__ for kind in WRITTEN]
            counts.append([session.scalar(select(func.count()).select_from(t)) for t in tables])
        database.close()
    assert counts[0] == counts[1]
    assert rows.total > 600
