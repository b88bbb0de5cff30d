"""Owners of accounts, alerts of surveillance, complaints."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# 64 bits on every database; on SQLite only its own INTEGER counts up as a primary key.
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "account_owners",
        sa.Column("account", INTEGER, autoincrement=False, nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("changed_by", sa.String(length=32), nullable=False),
        sa.Column("changed_time_ns", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_account_owners")),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.number"], name=op.f("fk_account_owners_account_accounts")
        ),
    )
    op.create_index(op.f("ix_account_owners_owner"), "account_owners", ["owner"])
    op.create_table(
        "surveillance_runs",
        sa.Column("trading_day", INTEGER, autoincrement=False, nullable=False),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.Column("trades", INTEGER, nullable=False),
        sa.Column("findings", INTEGER, nullable=False),
        sa.Column("time_ns", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("trading_day", name=op.f("pk_surveillance_runs")),
    )
    _create_alerts()
    _create_complaints()


def downgrade() -> None:
    for table in ("complaints", "alerts", "surveillance_runs", "account_owners"):
        op.drop_table(table)


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("instrument", INTEGER, nullable=False),
        sa.Column("trading_day", INTEGER, nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=False),
        sa.Column("first_time_ns", INTEGER, nullable=False),
        sa.Column("last_time_ns", INTEGER, nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("raised_time_ns", INTEGER, nullable=False),
        sa.Column("changed_by", sa.String(length=32), nullable=True),
        sa.Column("changed_time_ns", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_alerts")),
        sa.UniqueConstraint(
            *("kind", "instrument", "trading_day", "subject"),
            name=op.f("uq_alerts_kind_instrument_trading_day_subject"),
        ),
        sa.ForeignKeyConstraint(
            ["instrument"], ["instruments.number"], name=op.f("fk_alerts_instrument_instruments")
        ),
        sa.CheckConstraint(
            "state in ('open', 'in_review', 'closed')", name=op.f("ck_alerts_state")
        ),
        sa.CheckConstraint(
            "(state = 'closed') = (reason is not null)", name=op.f("ck_alerts_reason")
        ),
    )
    op.create_index("ix_alerts_state_number", "alerts", ["state", "number"])


def _create_complaints() -> None:
    op.create_table(
        "complaints",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("account", INTEGER, nullable=False),
        sa.Column("filed_by", sa.String(length=32), nullable=False),
        sa.Column("idempotency_key", sa.String(length=128), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("reference_kind", sa.String(length=16), nullable=True),
        sa.Column("reference_id", sa.String(length=40), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("filed_time_ns", INTEGER, nullable=False),
        sa.Column("answer_until_ns", INTEGER, nullable=False),
        sa.Column("handled_by", sa.String(length=32), nullable=True),
        sa.Column("changed_time_ns", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_complaints")),
        sa.UniqueConstraint(
            "account", "idempotency_key", name=op.f("uq_complaints_account_idempotency_key")
        ),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.number"], name=op.f("fk_complaints_account_accounts")
        ),
        sa.CheckConstraint(
            "state in ('open', 'in_review', 'answered', 'withdrawn')",
            name=op.f("ck_complaints_state"),
        ),
        sa.CheckConstraint(
            "(state = 'answered') = (answer is not null)", name=op.f("ck_complaints_answer")
        ),
    )
    op.create_index("ix_complaints_account_number", "complaints", ["account", "number"])
    op.create_index("ix_complaints_state_number", "complaints", ["state", "number"])
