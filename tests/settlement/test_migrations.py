"""The migrations give exactly the tables that the code declares, up and down, with data too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, func, inspect, select
from sqlalchemy.orm import Session

from settlement import market_rules, migrations
from settlement.database import Database
from settlement.tables import Base

REVISIONS = [
    script.revision
    for script in ScriptDirectory(str(Path(migrations.__file__).parent)).walk_revisions()
][::-1]


def table_names(database: Database) -> set[str]:
    with database.read() as session:
        return set(inspect(session.connection()).get_table_names()) - {"alembic_version"}


def count_rows(database: Database) -> dict[str, int]:
    with database.read() as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
        }


def test_migrations_and_tables_agree(database: Database) -> None:
    """Tables, columns, types, indices and constraints: nothing is left for another migration."""

    def differences(session: Session) -> Any:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        return compare_metadata(context, Base.metadata)

    assert database.write(differences).result() == []
    assert table_names(database) == set(Base.metadata.tables)
    # Alembic does not compare checks.
    declared = {
        (table.name, str(check.name))
        for table in Base.metadata.tables.values()
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }
    with database.read() as session:
        inspector = inspect(session.connection())
        found = {
            (name, check["name"])
            for name in Base.metadata.tables
            for check in inspector.get_check_constraints(name)
        }
    assert found == declared


def test_one_revision_after_the_other(new_database_url: Callable[[], str]) -> None:
    """Each revision can be reached from the one before and left again; the last run is no-op."""
    database = Database(new_database_url())
    sizes = []
    for revision in REVISIONS:
        database.migrate(revision)
        sizes.append(len(table_names(database)))
    assert sizes == sorted(sizes), "no revision takes a table away"
    database.migrate()
    assert len(table_names(database)) == sizes[-1]
    for revision in [*REVISIONS[-2::-1], "base"]:
        database.downgrade(revision)
        sizes.pop()
        assert len(table_names(database)) == (sizes[-1] if sizes else 0)
    database.close()


def test_data_survives_an_upgrade(new_database_url: Callable[[], str]) -> None:
    """What an older release has written is there after the upgrade."""
    database = Database(new_database_url())
    database.migrate(REVISIONS[0])

    def close_a_day(session: Session) -> None:
        statement = (
            "INSERT INTO calendar_days (day, is_trading, note) VALUES (1, FALSE, 'inventory')"
        )
        session.connection().exec_driver_sql(statement)

    database.write(close_a_day).result()
    database.migrate()
    with database.read() as session:
        found = market_rules.day_exceptions(session)
    assert found == {1: market_rules.DayRule(is_trading=False, note="inventory")}
    database.close()


def test_a_settled_exchange_can_be_taken_down(market: Any, tmp_path: Path) -> None:
    """No foreign key stands in the way of a downgrade of full tables, nor of coming back."""
    market.trade_a_day()
    market.settle(tmp_path)
    assert sum(count_rows(market.database).values()) > 100
    market.intake.close()
    market.database.downgrade("base")
    assert table_names(market.database) == set()
    market.database.migrate()
    assert not any(count_rows(market.database).values())


def test_a_migration_that_fails_changes_nothing(new_database_url: Callable[[], str]) -> None:
    """A migration is done whole or not at all, on SQLite too."""
    database = Database(new_database_url())
    database.migrate(REVISIONS[0])
    before = table_names(database)

    def occupy(session: Session) -> None:
        session.connection().exec_driver_sql("CREATE TABLE ledger_entries (entry_id INTEGER)")

    database.write(occupy).result()
    with pytest.raises(Exception, match="ledger_entries"):
        database.migrate()
    assert table_names(database) == before | {"ledger_entries"}
    database.close()
