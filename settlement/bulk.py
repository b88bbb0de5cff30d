"""Many rows at once: COPY on PostgreSQL, one prepared statement on SQLite, inside the transaction.

Columns come as arrays or lists of one length, or as one value that all rows share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from settlement.tables.base import Base

# An array, a list, or one string, integer or None for all rows.
Column = Any


def insert(session: Session, table: type[Base], columns: Mapping[str, Column]) -> int:
    """Insert the rows; returns how many there are."""
    count = _length(columns)
    if count:
        session.flush()
        load(session, table.__tablename__, list(columns), _rows(columns, count))
    return count


def update(
    session: Session,
    table: type[Base],
    key: str,
    numbers: np.ndarray,
    columns: Mapping[str, Column],
) -> None:
    """Set the columns of the rows whose `key` is in `numbers`, each to its own values."""
    if not len(numbers):
        return
    session.flush()
    name = table.__tablename__
    if _is_sqlite(session):
        changes = ", ".join(f"{column} = ?" for column in columns)
        rows = _rows({**columns, key: numbers}, len(numbers))
        _driver(session).executemany(f"UPDATE {name} SET {changes} WHERE {key} = ?", rows)
        return
    execute = session.connection().exec_driver_sql
    names = ", ".join((key, *columns))
    execute(f"CREATE TEMPORARY TABLE changes AS SELECT {names} FROM {name} WITH NO DATA")
    load(session, "changes", [key, *columns], _rows({key: numbers, **columns}, len(numbers)))
    changes = ", ".join(f"{column} = changes.{column}" for column in columns)
    execute(f"UPDATE {name} SET {changes} FROM changes WHERE {name}.{key} = changes.{key}")
    execute("DROP TABLE changes")


def reserve(session: Session, column: InstrumentedAttribute[int], count: int) -> int:
    """The first of `count` numbers of a primary key that counts up by itself, kept for the caller.

    Sound because there is one write transaction at a time (settlement.database).
    """
    if _is_sqlite(session):
        return (session.scalar(select(func.max(column))) or 0) + 1
    sequence = func.pg_get_serial_sequence(column.class_.__table__.name, column.key)
    last = session.scalar(select(func.setval(sequence, func.nextval(sequence) + count - 1)))
    return int(last or 0) - count + 1


def read(session: Session, query: Any, width: int) -> np.ndarray:
    """What a query of `width` integer columns selects, as an array with a row for each column."""
    values = (value for row in session.execute(query) for value in row)
    return np.fromiter(values, np.int64).reshape(-1, width).T


def load(session: Session, name: str, columns: list[str], rows: Iterable[Any]) -> None:
    """Insert rows as they are into the table `name`."""
    names = ", ".join(columns)
    if _is_sqlite(session):
        marks = ", ".join("?" for _ in columns)
        _driver(session).executemany(f"INSERT INTO {name} ({names}) VALUES ({marks})", rows)
        return
    with (
        _driver(session).cursor() as cursor,
        cursor.copy(f"COPY {name} ({names}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)


def _rows(columns: Mapping[str, Column], count: int) -> Iterator[tuple[Any, ...]]:
    def values(column: Column) -> Any:
        if column is None or isinstance(column, str | int):
            return repeat(column, count)
        return column.tolist() if isinstance(column, np.ndarray) else column

    return zip(*map(values, columns.values()), strict=True)


def _length(columns: Mapping[str, Column]) -> int:
    return next(
        len(column)
        for column in columns.values()
        if column is not None and not isinstance(column, str | int)
    )


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def _driver(session: Session) -> Any:
    """The driver's own connection, in the session's transaction."""
    return session.connection().connection.driver_connection
