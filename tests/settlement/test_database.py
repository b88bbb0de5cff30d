"""The database: one writer, whole transactions, stable reads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from settlement.database import Database
from settlement.tables.market_rules import MarketPhase
from settlement.tables.trading import Order


def add_market(number: int) -> Any:
    return lambda session: session.add(MarketPhase(instrument=number, done_time_ns=0))


def markets(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(MarketPhase)) or 0


def test_a_write_is_all_or_nothing(database: Database) -> None:
    """What raises leaves nothing behind, and the writer goes on."""

    def fail(session: Session) -> None:
        session.add(MarketPhase(instrument=1, done_time_ns=0))
        session.flush()
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        database.write(fail).result()
    database.write(add_market(2)).result()
    with database.read() as session:
        assert session.scalars(select(MarketPhase.instrument)).all() == [2]


def test_constraints_hold(database: Database) -> None:
    """Foreign keys and unique keys are enforced on every database."""
    order = dict.fromkeys(Order.__table__.columns.keys(), 0) | {"status": "open"}
    with pytest.raises(IntegrityError):
        database.write(lambda session: session.add(Order(**order))).result()
    database.write(add_market(1)).result()
    with pytest.raises(IntegrityError):
        database.write(add_market(1)).result()


def test_a_reader_sees_one_state(database: Database) -> None:
    """What is written while a session reads does not show in it."""
    with database.read() as session:
        assert markets(session) == 0
        database.write(add_market(1)).result()
        assert markets(session) == 0
    with database.read() as session:
        assert markets(session) == 1


def test_writers_of_several_processes_take_turns(database: Database) -> None:
    """Two writers that read and then write never overwrite each other."""
    other = Database(database.url.render_as_string(hide_password=False))

    def add_next(session: Session) -> None:
        last = session.scalar(select(func.max(MarketPhase.instrument))) or 0
        session.add(MarketPhase(instrument=last + 1, done_time_ns=0))

    def write_twenty(each: Database) -> None:
        for _ in range(20):
            each.write(add_next).result()

    threads = [threading.Thread(target=write_twenty, args=(each,)) for each in (database, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    with database.read() as session:
        assert session.scalars(select(MarketPhase.instrument)).all() == list(range(1, 41))


def test_a_write_inside_a_write_is_a_mistake(database: Database) -> None:
    """It would wait for itself; it is refused instead."""
    with pytest.raises(RuntimeError, match="for ever"):
        database.write(lambda _: database.write(add_market(1)).result()).result()


def test_closing_finishes_what_was_asked_for(tmp_path: Path) -> None:
    """Writes that were handed in before the end are in the file."""
    url = f"sqlite:///{tmp_path / 'folder' / 'puhui.db'}"
    database = Database(url)
    database.migrate()
    for day in range(1, 6):
        database.write(add_market(day))
    database.close()
    again = Database(url)
    with again.read() as session:
        assert markets(session) == 5
    again.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    """Every thread would see another one."""
    with pytest.raises(ValueError, match="file"):
        Database(url)


def test_one_at_a_time_over_all_processes(new_database: Callable[[], Database]) -> None:
    """Whoever holds a name keeps every other connection to the database out, and nobody else."""
    first = new_database()
    second = Database(first.url.render_as_string(hide_password=False))
    entered, may_leave = threading.Event(), threading.Event()
    order: list[str] = []

    def hold() -> None:
        with first.exclusive("a"):
            entered.set()
            may_leave.wait()
            order.append("first")

    def follow() -> None:
        with second.exclusive("a"):
            order.append("second")

    threads = [threading.Thread(target=hold), threading.Thread(target=follow)]
    try:
        threads[0].start()
        entered.wait()
        threads[1].start()
        with second.exclusive("b"):
            order.append("another name")
        assert order == ["another name"]
    finally:
        may_leave.set()
        for thread in threads:
            thread.join()
        second.close()
    assert order == ["another name", "first", "second"]
