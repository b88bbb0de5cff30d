"""The registry of credits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# 64 bits on every database; on SQLite only its own INTEGER counts up as a primary key.
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_deliveries()
    _create_methodologies()
    _create_operations()
    _create_retirements()
    _create_projects()
    _create_batches()
    _create_blocks()
    _create_movements()


def downgrade() -> None:
    op.drop_table("movements")
    op.drop_table("blocks")
    op.drop_table("batches")
    op.drop_table("projects")
    op.drop_table("retirements")
    op.drop_table("operations")
    op.drop_table("methodologies")
    op.drop_table("deliveries")


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("run_key", sa.String(length=100), nullable=False),
        sa.Column("symbol", sa.String(length=16), nullable=False),
        sa.Column("quantity", INTEGER, nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("time_ns", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("run_key", name=op.f("pk_deliveries")),
    )


def _create_methodologies() -> None:
    op.create_table(
        "methodologies",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_time_ns", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_methodologies")),
        sa.UniqueConstraint("code", name=op.f("uq_methodologies_code")),
    )


def _create_operations() -> None:
    op.create_table(
        "operations",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("operation_id", sa.String(length=36), nullable=False),
        sa.Column("account", INTEGER, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=128), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("symbol", sa.String(length=16), nullable=True),
        sa.Column("quantity", INTEGER, nullable=False),
        sa.Column("target_status", sa.String(length=16), nullable=False),
        sa.Column("target_account", INTEGER, nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("steps_done", INTEGER, nullable=False),
        sa.Column("refused_code", INTEGER, nullable=True),
        sa.Column("certificate", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_time_ns", INTEGER, nullable=False),
        sa.Column("completed_time_ns", INTEGER, nullable=True),
        sa.CheckConstraint(
            "status in ('pending', 'reverting', 'completed', 'refused')",
            name=op.f("ck_operations_status"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_operations")),
        sa.UniqueConstraint(
            "account", "idempotency_key", name=op.f("uq_operations_account_idempotency_key")
        ),
        sa.UniqueConstraint("operation_id", name=op.f("uq_operations_operation_id")),
    )
    op.create_index(op.f("ix_operations_account"), "operations", ["account"], unique=False)
    op.create_index(op.f("ix_operations_status"), "operations", ["status"], unique=False)


def _create_retirements() -> None:
    op.create_table(
        "retirements",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("certificate_id", sa.String(length=32), nullable=False),
        sa.Column("account", INTEGER, nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("quantity", INTEGER, nullable=False),
        sa.Column("beneficiary", sa.String(length=2000), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column("details", sa.String(length=2000), nullable=True),
        sa.Column("event_id", sa.String(length=64), nullable=True),
        sa.Column("scheme", sa.String(length=64), nullable=True),
        sa.Column("year", INTEGER, nullable=True),
        sa.Column("time_ns", INTEGER, nullable=False),
        sa.CheckConstraint("quantity >= 1", name=op.f("ck_retirements_quantity")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_retirements")),
        sa.UniqueConstraint("certificate_id", name=op.f("uq_retirements_certificate_id")),
        sa.UniqueConstraint("source", name=op.f("uq_retirements_source")),
    )
    op.create_index(op.f("ix_retirements_account"), "retirements", ["account"], unique=False)


def _create_projects() -> None:
    op.create_table(
        "projects",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("methodology", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=300), nullable=False),
        sa.Column("symbol", sa.String(length=16), nullable=True),
        sa.Column("account", INTEGER, nullable=False),
        sa.Column("created_time_ns", INTEGER, nullable=False),
        sa.ForeignKeyConstraint(
            ["methodology"],
            ["methodologies.code"],
            name=op.f("fk_projects_methodology_methodologies"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_projects")),
        sa.UniqueConstraint("project_id", name=op.f("uq_projects_project_id")),
    )
    op.create_index(op.f("ix_projects_methodology"), "projects", ["methodology"], unique=False)
    op.create_index(op.f("ix_projects_symbol"), "projects", ["symbol"], unique=False)


def _create_batches() -> None:
    op.create_table(
        "batches",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("batch_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("vintage", INTEGER, nullable=False),
        sa.Column("quantity", INTEGER, nullable=False),
        sa.Column("serial_prefix", sa.String(length=64), nullable=False),
        sa.Column("number_space", sa.String(length=64), nullable=False),
        sa.Column("serial_template", sa.String(length=200), nullable=False),
        sa.Column("first_number", INTEGER, nullable=False),
        sa.Column("last_number", INTEGER, nullable=False),
        sa.Column("issued_time_ns", INTEGER, nullable=False),
        sa.Column("issue_key", sa.String(length=200), nullable=True),
        sa.CheckConstraint("first_number >= 1", name=op.f("ck_batches_first_number")),
        sa.CheckConstraint("last_number >= first_number", name=op.f("ck_batches_order")),
        sa.CheckConstraint(
            "quantity = last_number - first_number + 1", name=op.f("ck_batches_quantity")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.project_id"], name=op.f("fk_batches_project_id_projects")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_batches")),
        sa.UniqueConstraint("batch_id", name=op.f("uq_batches_batch_id")),
        sa.UniqueConstraint("issue_key", name=op.f("uq_batches_issue_key")),
        sa.UniqueConstraint(
            "number_space", "first_number", name=op.f("uq_batches_number_space_first_number")
        ),
        sa.UniqueConstraint(
            "number_space", "last_number", name=op.f("uq_batches_number_space_last_number")
        ),
    )
    op.create_index(op.f("ix_batches_project_id"), "batches", ["project_id"], unique=False)


def _create_blocks() -> None:
    op.create_table(
        "blocks",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("batch_number", INTEGER, nullable=False),
        sa.Column("start_number", INTEGER, nullable=False),
        sa.Column("end_number", INTEGER, nullable=False),
        sa.Column("quantity", INTEGER, nullable=False),
        sa.Column("holder_account", INTEGER, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("parent_number", INTEGER, nullable=True),
        sa.Column("operation_id", sa.String(length=36), nullable=True),
        sa.Column("previous_status", sa.String(length=16), nullable=True),
        sa.Column("certificate_id", sa.String(length=32), nullable=True),
        sa.CheckConstraint(
            "(status = 'frozen') = (previous_status is not null)",
            name=op.f("ck_blocks_previous_status"),
        ),
        sa.CheckConstraint(
            "(status = 'retired') = (certificate_id is not null)",
            name=op.f("ck_blocks_certificate"),
        ),
        sa.CheckConstraint(
            "status in ('held', 'custody', 'pledged', 'frozen', 'retired', 'cancelled',"
            " 'exported')",
            name=op.f("ck_blocks_status"),
        ),
        sa.CheckConstraint("end_number >= start_number", name=op.f("ck_blocks_order")),
        sa.CheckConstraint(
            "quantity = end_number - start_number + 1", name=op.f("ck_blocks_quantity")
        ),
        sa.CheckConstraint("start_number >= 1", name=op.f("ck_blocks_start_number")),
        sa.ForeignKeyConstraint(
            ["batch_number"], ["batches.number"], name=op.f("fk_blocks_batch_number_batches")
        ),
        sa.ForeignKeyConstraint(
            ["certificate_id"],
            ["retirements.certificate_id"],
            name=op.f("fk_blocks_certificate_id_retirements"),
        ),
        sa.ForeignKeyConstraint(
            ["operation_id"],
            ["operations.operation_id"],
            name=op.f("fk_blocks_operation_id_operations"),
        ),
        sa.ForeignKeyConstraint(
            ["parent_number"], ["blocks.number"], name=op.f("fk_blocks_parent_number_blocks")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_blocks")),
        sa.UniqueConstraint(
            "batch_number", "end_number", name=op.f("uq_blocks_batch_number_end_number")
        ),
        sa.UniqueConstraint(
            "batch_number", "start_number", name=op.f("uq_blocks_batch_number_start_number")
        ),
    )
    op.create_index(op.f("ix_blocks_certificate_id"), "blocks", ["certificate_id"], unique=False)
    op.create_index(
        "ix_blocks_holder_account_status", "blocks", ["holder_account", "status"], unique=False
    )
    op.create_index(op.f("ix_blocks_operation_id"), "blocks", ["operation_id"], unique=False)


def _create_movements() -> None:
    op.create_table(
        "movements",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("reference", sa.String(length=100), nullable=False),
        sa.Column("block_number", INTEGER, nullable=False),
        sa.Column("batch_number", INTEGER, nullable=False),
        sa.Column("start_number", INTEGER, nullable=False),
        sa.Column("end_number", INTEGER, nullable=False),
        sa.Column("from_account", INTEGER, nullable=True),
        sa.Column("from_status", sa.String(length=16), nullable=True),
        sa.Column("to_account", INTEGER, nullable=False),
        sa.Column("to_status", sa.String(length=16), nullable=False),
        sa.Column("time_ns", INTEGER, nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_number"], ["batches.number"], name=op.f("fk_movements_batch_number_batches")
        ),
        sa.ForeignKeyConstraint(
            ["block_number"], ["blocks.number"], name=op.f("fk_movements_block_number_blocks")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_movements")),
    )
    op.create_index(op.f("ix_movements_block_number"), "movements", ["block_number"], unique=False)
    op.create_index(op.f("ix_movements_reference"), "movements", ["reference"], unique=False)
