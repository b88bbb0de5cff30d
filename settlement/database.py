"""The database: one writer thread, any number of readers, SQLite or PostgreSQL by URL.

Every change is a function given to `Database.write`, run in one transaction by the one writer, so
that no two changes of a process ever race. Between processes SQLite's BEGIN IMMEDIATE and, on
PostgreSQL, an advisory lock keep the same order: one write transaction at a time. What takes
several transactions and the engine's answers in between is kept apart by `Database.exclusive`.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.orm import Session

from settlement.lease import Lease

T = TypeVar("T")

_BUSY_TIMEOUT_SECONDS = 30
# Any constant will do, so long as nothing else on the server takes it.
_ADVISORY_LOCK = 0x7075_6875_6900
_EXCLUSIVE_LOCKS = 0x7075_6875
_IS_WRITER = "puhui_is_writer"


class Database:
    """A pool of connections, the writer thread, and the migrations."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self.url = parsed
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            if not parsed.database or parsed.database == ":memory:":
                raise ValueError("the SQLite database must be a file: several threads share it")
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        self._engine = _open_sqlite(url) if self.is_sqlite else _open_postgresql(url)
        self._writer = self._engine.execution_options(**{_IS_WRITER: True})
        self._thread = ThreadPoolExecutor(1, "database-writer", initializer=self._mark_thread)
        self._thread_id: int | None = None
        self._in_transaction = False
        self._exclusive: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one state of the database throughout; its changes are dropped."""
        with Session(self._engine, autoflush=False) as session:
            yield session

    def write(self, work: Callable[[Session], T]) -> Future[T]:
        """Run `work` in one transaction of the writer thread; if it raises, nothing is changed."""
        if self._in_transaction and threading.get_ident() == self._thread_id:
            raise RuntimeError("a write inside a write would wait for itself for ever")
        return self._thread.submit(self._transact, work)

    @contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Only one thread of all processes on this database is in a block of this name.

        The lock goes with the process that holds it, however that ends.
        """
        # Of each process only one thread waits for the others, so the waiting takes no more than
        # one connection from those who are to finish.
        with self._exclusive[name]:
            if self.is_sqlite:
                with Lease(Path(f"{self.url.database}.{name}.lock")).awaited():
                    yield
                return
            with self._engine.begin() as connection:
                lock = text("SELECT pg_advisory_xact_lock(:group, hashtext(:name))")
                connection.execute(lock, {"group": _EXCLUSIVE_LOCKS, "name": name})
                yield

    def migrate(self, revision: str = "head") -> None:
        """Bring the tables to `revision`."""
        self._thread.submit(self._migrate, command.upgrade, revision).result()

    def downgrade(self, revision: str) -> None:
        """Take the tables back to `revision` ("base": none are left)."""
        self._thread.submit(self._migrate, command.downgrade, revision).result()

    def close(self) -> None:
        """Finish the writes that were asked for, then close all connections."""
        self._thread.shutdown()
        self._engine.dispose()

    def _mark_thread(self) -> None:
        self._thread_id = threading.get_ident()

    def _transact(self, work: Callable[[Session], T]) -> T:
        self._in_transaction = True
        try:
            with Session(self._writer, expire_on_commit=False) as session, session.begin():
                return work(session)
        finally:
            self._in_transaction = False

    def _migrate(self, change: Callable[[Config, str], None], revision: str) -> None:
        config = Config()
        config.set_main_option("script_location", "settlement:migrations")
        with self._writer.begin() as connection:
            config.attributes["connection"] = connection
            change(config, revision)


def _open_sqlite(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": _BUSY_TIMEOUT_SECONDS})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # The driver's own guesses about transactions are switched off; "begin" below decides.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        # An acknowledged retirement must outlive a power cut, so every commit is synced.
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer that began as a reader could not be promoted once another one has written.
        is_writer = connection.get_execution_options().get(_IS_WRITER, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")

    return engine


def _open_postgresql(url: str) -> Engine:
    engine = create_engine(url, pool_pre_ping=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(_IS_WRITER, False):
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        else:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))

    return engine
