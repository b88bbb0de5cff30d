"""The double-entry ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# 64 bits on every database; on SQLite only its own INTEGER counts up as a primary key.
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_ledger_accounts()
    _create_ledger_transactions()
    _create_ledger_entries()


def downgrade() -> None:
    op.drop_table("ledger_entries")
    op.drop_table("ledger_transactions")
    op.drop_table("ledger_accounts")


def _create_ledger_accounts() -> None:
    op.create_table(
        "ledger_accounts",
        sa.Column("account_id", INTEGER, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("owner", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_ledger_accounts")),
        sa.UniqueConstraint("kind", "owner", name=op.f("uq_ledger_accounts_kind_owner")),
    )


def _create_ledger_transactions() -> None:
    op.create_table(
        "ledger_transactions",
        sa.Column("transaction_id", INTEGER, nullable=False),
        sa.Column("posting_key", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("time_ns", INTEGER, nullable=False),
        sa.Column("sequence", INTEGER, nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.Column("symbol", sa.String(length=16), nullable=True),
        sa.PrimaryKeyConstraint("transaction_id", name=op.f("pk_ledger_transactions")),
        sa.UniqueConstraint("posting_key", name=op.f("uq_ledger_transactions_posting_key")),
    )
    op.create_index(
        "ix_ledger_transactions_run_id_symbol",
        "ledger_transactions",
        ["run_id", "symbol"],
        unique=False,
    )
    op.create_index(
        op.f("ix_ledger_transactions_sequence"), "ledger_transactions", ["sequence"], unique=False
    )


def _create_ledger_entries() -> None:
    op.create_table(
        "ledger_entries",
        sa.Column("entry_id", INTEGER, nullable=False),
        sa.Column("transaction_id", INTEGER, nullable=False),
        sa.Column("account_id", INTEGER, nullable=False),
        sa.Column("asset", sa.String(length=16), nullable=False),
        sa.Column("amount", INTEGER, nullable=False),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_ledger_entries_amount_not_zero")),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["ledger_accounts.account_id"],
            name=op.f("fk_ledger_entries_account_id_ledger_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["ledger_transactions.transaction_id"],
            name=op.f("fk_ledger_entries_transaction_id_ledger_transactions"),
        ),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_ledger_entries")),
    )
    op.create_index(
        "ix_ledger_entries_account_id_asset",
        "ledger_entries",
        ["account_id", "asset"],
        unique=False,
    )
    op.create_index(
        op.f("ix_ledger_entries_transaction_id"), "ledger_entries", ["transaction_id"], unique=False
    )
