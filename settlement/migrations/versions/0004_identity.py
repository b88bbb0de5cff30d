"""Accounts, users and what they may do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# 64 bits on every database; on SQLite only its own INTEGER counts up as a primary key.
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_accounts()
    _create_audit_records()
    _create_cancel_after()
    _create_cash_requests()
    _create_users()
    _create_api_keys()
    _create_session_tokens()


def downgrade() -> None:
    op.drop_table("session_tokens")
    op.drop_table("api_keys")
    op.drop_table("users")
    op.drop_table("cash_requests")
    op.drop_table("cancel_after")
    op.drop_table("audit_records")
    op.drop_table("accounts")


def _create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("number", INTEGER, autoincrement=False, nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_time_ns", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_accounts")),
        sa.UniqueConstraint("code", name=op.f("uq_accounts_code")),
    )


def _create_audit_records() -> None:
    op.create_table(
        "audit_records",
        sa.Column("sequence", INTEGER, autoincrement=False, nullable=False),
        sa.Column("time_ns", INTEGER, nullable=False),
        sa.Column("actor", sa.String(length=32), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit_records")),
    )
    op.create_index(op.f("ix_audit_records_action"), "audit_records", ["action"], unique=False)


def _create_cancel_after() -> None:
    op.create_table(
        "cancel_after",
        sa.Column("account_number", INTEGER, autoincrement=False, nullable=False),
        sa.Column("deadline_time_ns", INTEGER, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_number"],
            ["accounts.number"],
            name=op.f("fk_cancel_after_account_number_accounts"),
        ),
        sa.PrimaryKeyConstraint("account_number", name=op.f("pk_cancel_after")),
    )


def _create_cash_requests() -> None:
    op.create_table(
        "cash_requests",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("idempotency_key", sa.String(length=64), nullable=True),
        sa.Column("account_number", INTEGER, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("amount_fen", INTEGER, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("requested_by", sa.String(length=32), nullable=False),
        sa.Column("requested_time_ns", INTEGER, nullable=False),
        sa.Column("decided_by", sa.String(length=32), nullable=True),
        sa.Column("decided_time_ns", INTEGER, nullable=True),
        sa.Column("refused_code", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_number"],
            ["accounts.number"],
            name=op.f("fk_cash_requests_account_number_accounts"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cash_requests")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_cash_requests_idempotency_key")),
        sa.UniqueConstraint("request_id", name=op.f("uq_cash_requests_request_id")),
    )
    op.create_index(
        op.f("ix_cash_requests_account_number"), "cash_requests", ["account_number"], unique=False
    )
    op.create_index(op.f("ix_cash_requests_status"), "cash_requests", ["status"], unique=False)


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("username", sa.String(length=32), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("account_number", INTEGER, nullable=False),
        sa.Column("roles", sa.String(length=200), nullable=False),
        sa.Column("created_time_ns", INTEGER, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_number"], ["accounts.number"], name=op.f("fk_users_account_number_accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("username", name=op.f("uq_users_username")),
    )
    op.create_index(op.f("ix_users_account_number"), "users", ["account_number"], unique=False)


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("user_id", INTEGER, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("public_key", sa.String(length=44), nullable=False),
        sa.Column("scopes", sa.String(length=64), nullable=False),
        sa.Column("created_time_ns", INTEGER, nullable=False),
        sa.Column("revoked_time_ns", INTEGER, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_keys_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_id", name=op.f("uq_api_keys_key_id")),
    )
    op.create_index(op.f("ix_api_keys_user_id"), "api_keys", ["user_id"], unique=False)


def _create_session_tokens() -> None:
    op.create_table(
        "session_tokens",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", INTEGER, nullable=False),
        sa.Column("created_time_ns", INTEGER, nullable=False),
        sa.Column("expires_time_ns", INTEGER, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_session_tokens_user_id_users")
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_session_tokens")),
    )
    op.create_index(
        op.f("ix_session_tokens_expires_time_ns"),
        "session_tokens",
        ["expires_time_ns"],
        unique=False,
    )
    op.create_index(op.f("ix_session_tokens_user_id"), "session_tokens", ["user_id"], unique=False)
