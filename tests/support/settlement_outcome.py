"""What the end of a day leaves in the database, to be compared between exchanges."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from settlement.database import Database
from settlement.tables.clearing import ClearingPrice, ClearingRun, Statement
from settlement.tables.ledger import LedgerAccount, LedgerEntry, LedgerTransaction
from settlement.tables.registry import Block, Retirement


def outcome_of(database: Database) -> dict[str, list[Any]]:
    """Everything that runs leave, with days for their ids and nothing that depends on time."""
    with database.read() as session:
        days = {run.run_id: str(run.trading_day) for run in session.scalars(select(ClearingRun))}
        entries = session.execute(
            select(LedgerTransaction.run_id, LedgerTransaction.posting_key, LedgerTransaction.kind)
            .add_columns(LedgerAccount.kind, LedgerAccount.owner)
            .add_columns(LedgerEntry.asset, LedgerEntry.amount)
            .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.transaction_id)
            .join(LedgerAccount, LedgerAccount.account_id == LedgerEntry.account_id)
            .where(LedgerTransaction.run_id.is_not(None))
        ).all()
        held = session.scalars(select(Block).order_by(Block.batch_number, Block.start_number))
        statements = session.scalars(
            select(Statement).order_by(Statement.trading_day, Statement.account)
        )
        retired = session.scalars(select(Retirement))
        prices = session.scalars(select(ClearingPrice))
        return {
            "entries": sorted(
                (key.replace(run_id, days[run_id]), *row) for run_id, key, *row in entries
            ),
            "blocks": [
                (row.batch_number, row.start_number, row.end_number, row.holder_account, row.status)
                for row in held.unique()
            ],
            "retired": [(row.account, row.kind, row.quantity, row.reason) for row in retired],
            "statements": [(row.account, row.trading_day, row.body) for row in statements],
            "prices": sorted(
                (days[row.run_id], row.instrument, row.closing_price_ticks, row.method)
                for row in prices
            ),
        }
