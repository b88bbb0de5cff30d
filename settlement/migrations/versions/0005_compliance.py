"""Schemes, obligations and surrenders."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# 64 bits on every database; on SQLite only its own INTEGER counts up as a primary key.
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_scheme_years()
    _create_obligations()


def downgrade() -> None:
    op.drop_table("obligations")
    op.drop_table("scheme_years")


def _create_scheme_years() -> None:
    op.create_table(
        "scheme_years",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("scheme", sa.String(length=64), nullable=False),
        sa.Column("year", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_scheme_years")),
        sa.UniqueConstraint("scheme", "year", name=op.f("uq_scheme_years_scheme_year")),
    )


def _create_obligations() -> None:
    op.create_table(
        "obligations",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("account", INTEGER, nullable=False),
        sa.Column("scheme_number", INTEGER, nullable=False),
        sa.Column("base_quantity", INTEGER, nullable=False),
        sa.Column("cap_quantity", INTEGER, nullable=False),
        sa.Column("is_applied", sa.Boolean(), nullable=False),
        sa.Column("updated_time_ns", INTEGER, nullable=False),
        sa.CheckConstraint("base_quantity >= 0", name=op.f("ck_obligations_base_quantity")),
        sa.CheckConstraint("cap_quantity >= 0", name=op.f("ck_obligations_cap_quantity")),
        sa.ForeignKeyConstraint(
            ["scheme_number"],
            ["scheme_years.number"],
            name=op.f("fk_obligations_scheme_number_scheme_years"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_obligations")),
        sa.UniqueConstraint(
            "account", "scheme_number", name=op.f("uq_obligations_account_scheme_number")
        ),
    )
