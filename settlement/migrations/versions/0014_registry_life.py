"""The registry's whole life of a credit; carbon accounts and points; ranges never overlap."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# 64 bits on every database; on SQLite only its own INTEGER counts up as a primary key.
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# Table, what its ranges lie in, first and last of a range.
_RANGES = (
    ("batches", "number_space", "first_number", "last_number"),
    ("blocks", "batch_number", "start_number", "end_number"),
    ("reduction_claims", "source", "first_day", "last_day"),
)


def upgrade() -> None:
    op.add_column(
        "projects",
        sa.Column("stage", sa.String(length=16), nullable=False, server_default="registered"),
    )
    op.add_column("batches", sa.Column("report_id", sa.String(length=64), nullable=True))
    op.create_index(op.f("ix_batches_report_id"), "batches", ["report_id"])
    op.add_column("batches", sa.Column("origin", sa.String(length=64), nullable=True))
    op.add_column("operations", sa.Column("counterparty", INTEGER, nullable=True))
    op.create_index(op.f("ix_operations_counterparty"), "operations", ["counterparty"])
    op.add_column("operations", sa.Column("outcome", sa.String(length=16), nullable=True))
    _create_methodology_versions()
    _create_monitoring()
    _create_carbon_accounts()
    _create_points()
    for names in _RANGES:
        _refuse_overlaps(*names)


def downgrade() -> None:
    for table, *_ in _RANGES:
        _allow_overlaps(table)
    for table in (
        "points_entries",
        "scene_reports",
        "aggregations",
        "scene_operators",
        "personal_accounts",
        "carbon_entries",
        "reduction_claims",
        "monitoring_reports",
        "methodology_votes",
        "methodology_versions",
    ):
        op.drop_table(table)
    op.drop_column("operations", "outcome")
    op.drop_index(op.f("ix_operations_counterparty"), table_name="operations")
    op.drop_column("operations", "counterparty")
    op.drop_column("batches", "origin")
    op.drop_index(op.f("ix_batches_report_id"), table_name="batches")
    op.drop_column("batches", "report_id")
    op.drop_column("projects", "stage")


def _create_methodology_versions() -> None:
    op.create_table(
        "methodology_versions",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("methodology", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("summary", sa.String(length=2000), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("drafted_by", sa.String(length=64), nullable=False),
        sa.Column("review", sa.String(length=2000), nullable=True),
        sa.Column("created_time_ns", INTEGER, nullable=False),
        sa.Column("decided_time_ns", INTEGER, nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_methodology_versions")),
        sa.ForeignKeyConstraint(
            ["methodology"],
            ["methodologies.code"],
            name=op.f("fk_methodology_versions_methodology_methodologies"),
        ),
        sa.UniqueConstraint(
            "methodology", "version", name=op.f("uq_methodology_versions_methodology_version")
        ),
        sa.CheckConstraint(
            "status in ('draft', 'review', 'vote', 'recorded', 'rejected')",
            name=op.f("ck_methodology_versions_status"),
        ),
    )
    op.create_table(
        "methodology_votes",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("version_number", INTEGER, nullable=False),
        sa.Column("expert", sa.String(length=300), nullable=False),
        sa.Column("choice", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=True),
        sa.Column("recorded_by", sa.String(length=64), nullable=False),
        sa.Column("time_ns", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_methodology_votes")),
        sa.ForeignKeyConstraint(
            ["version_number"],
            ["methodology_versions.number"],
            name=op.f("fk_methodology_votes_version_number_methodology_versions"),
        ),
        sa.UniqueConstraint(
            "version_number", "expert", name=op.f("uq_methodology_votes_version_number_expert")
        ),
        sa.CheckConstraint(
            "choice in ('approve', 'reject', 'abstain')", name=op.f("ck_methodology_votes_choice")
        ),
    )


def _create_monitoring() -> None:
    op.create_table(
        "monitoring_reports",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("report_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.Column("first_day", INTEGER, nullable=False),
        sa.Column("last_day", INTEGER, nullable=False),
        sa.Column("claimed_quantity", INTEGER, nullable=False),
        sa.Column("verified_quantity", INTEGER, nullable=False),
        sa.Column("issued_quantity", INTEGER, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("verifier", sa.String(length=300), nullable=True),
        sa.Column("created_time_ns", INTEGER, nullable=False),
        sa.Column("decided_time_ns", INTEGER, nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_monitoring_reports")),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.project_id"],
            name=op.f("fk_monitoring_reports_project_id_projects"),
        ),
        sa.UniqueConstraint("report_id", name=op.f("uq_monitoring_reports_report_id")),
        sa.CheckConstraint("last_day >= first_day", name=op.f("ck_monitoring_reports_days")),
        sa.CheckConstraint(
            "claimed_quantity >= 1", name=op.f("ck_monitoring_reports_claimed_quantity")
        ),
        sa.CheckConstraint(
            "status in ('submitted', 'verified', 'rejected')",
            name=op.f("ck_monitoring_reports_status"),
        ),
        sa.CheckConstraint(
            "issued_quantity >= 0 and issued_quantity <= verified_quantity"
            " and verified_quantity <= claimed_quantity",
            name=op.f("ck_monitoring_reports_quantities"),
        ),
    )
    op.create_index(op.f("ix_monitoring_reports_project_id"), "monitoring_reports", ["project_id"])
    op.create_table(
        "reduction_claims",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.Column("first_day", INTEGER, nullable=False),
        sa.Column("last_day", INTEGER, nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_reduction_claims")),
        sa.UniqueConstraint(
            "source", "first_day", name=op.f("uq_reduction_claims_source_first_day")
        ),
        sa.UniqueConstraint("reference", name=op.f("uq_reduction_claims_reference")),
        sa.CheckConstraint("last_day >= first_day", name=op.f("ck_reduction_claims_days")),
    )


def _create_carbon_accounts() -> None:
    op.create_table(
        "carbon_entries",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("account", INTEGER, nullable=False),
        sa.Column("year", INTEGER, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("category", sa.String(length=64), nullable=False),
        sa.Column("quantity_kg", INTEGER, nullable=False),
        sa.Column("evidence", sa.String(length=2000), nullable=False),
        sa.Column("replaces", INTEGER, nullable=True),
        sa.Column("idempotency_key", sa.String(length=128), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("created_time_ns", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_carbon_entries")),
        sa.ForeignKeyConstraint(
            ["replaces"],
            ["carbon_entries.number"],
            name=op.f("fk_carbon_entries_replaces_carbon_entries"),
        ),
        sa.UniqueConstraint("replaces", name=op.f("uq_carbon_entries_replaces")),
        sa.UniqueConstraint(
            "account", "idempotency_key", name=op.f("uq_carbon_entries_account_idempotency_key")
        ),
        sa.CheckConstraint(
            "kind in ('emission', 'reduction')", name=op.f("ck_carbon_entries_kind")
        ),
        sa.CheckConstraint("quantity_kg >= 1", name=op.f("ck_carbon_entries_quantity_kg")),
    )
    op.create_index("ix_carbon_entries_account_year", "carbon_entries", ["account", "year"])
    op.create_table(
        "personal_accounts",
        sa.Column("account", INTEGER, autoincrement=False, nullable=False),
        sa.Column("consents", sa.Boolean(), nullable=False),
        sa.Column("changed_time_ns", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_personal_accounts")),
    )
    op.create_table(
        "scene_operators",
        sa.Column("scene", sa.String(length=64), nullable=False),
        sa.Column("account", INTEGER, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("scene", "account", name=op.f("pk_scene_operators")),
    )


def _create_points() -> None:
    op.create_table(
        "aggregations",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("year", INTEGER, nullable=False),
        sa.Column("batch_id", sa.String(length=64), nullable=False),
        sa.Column("persons", INTEGER, nullable=False),
        sa.Column("reports", INTEGER, nullable=False),
        sa.Column("reduction_grams", INTEGER, nullable=False),
        sa.Column("brought_grams", INTEGER, nullable=False),
        sa.Column("carried_grams", INTEGER, nullable=False),
        sa.Column("time_ns", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_aggregations")),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.project_id"],
            name=op.f("fk_aggregations_project_id_projects"),
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.batch_id"], name=op.f("fk_aggregations_batch_id_batches")
        ),
        sa.UniqueConstraint("batch_id", name=op.f("uq_aggregations_batch_id")),
        sa.CheckConstraint(
            "carried_grams >= 0 and carried_grams < 1000000",
            name=op.f("ck_aggregations_carried_grams"),
        ),
    )
    op.create_index(op.f("ix_aggregations_project_id"), "aggregations", ["project_id"])
    op.create_table(
        "scene_reports",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("scene", sa.String(length=64), nullable=False),
        sa.Column("act_id", sa.String(length=64), nullable=False),
        sa.Column("operator_account", INTEGER, nullable=False),
        sa.Column("account", INTEGER, nullable=False),
        sa.Column("day", INTEGER, nullable=False),
        sa.Column("amount_milli", INTEGER, nullable=False),
        sa.Column("reduction_grams", INTEGER, nullable=False),
        sa.Column("points", INTEGER, nullable=False),
        sa.Column("rules_version", sa.String(length=64), nullable=False),
        sa.Column("aggregation_number", INTEGER, nullable=True),
        sa.Column("time_ns", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_scene_reports")),
        sa.ForeignKeyConstraint(
            ["aggregation_number"],
            ["aggregations.number"],
            name=op.f("fk_scene_reports_aggregation_number_aggregations"),
        ),
        sa.UniqueConstraint("scene", "act_id", name=op.f("uq_scene_reports_scene_act_id")),
        sa.CheckConstraint("reduction_grams >= 0", name=op.f("ck_scene_reports_reduction_grams")),
    )
    op.create_index("ix_scene_reports_account_number", "scene_reports", ["account", "number"])
    op.create_index(
        op.f("ix_scene_reports_aggregation_number"), "scene_reports", ["aggregation_number"]
    )
    op.create_table(
        "points_entries",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("account", INTEGER, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("points", INTEGER, nullable=False),
        sa.Column("reference", sa.String(length=144), nullable=False),
        sa.Column("reward", sa.String(length=300), nullable=True),
        sa.Column("time_ns", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_points_entries")),
        sa.UniqueConstraint(
            "account", "reference", name=op.f("uq_points_entries_account_reference")
        ),
        sa.CheckConstraint("kind in ('earned', 'redeemed')", name=op.f("ck_points_entries_kind")),
        sa.CheckConstraint(
            "(kind = 'earned') = (points > 0)", name=op.f("ck_points_entries_points")
        ),
    )


def _refuse_overlaps(table: str, within: str, first: str, last: str) -> None:
    """Two triggers that refuse a range which meets another one in the same `within`.

    As the others do not meet, the one that begins last before this one's end also ends last: one
    look into the index is enough, however many there are.
    """
    name = f"ck_{table}_overlap"
    overlaps = (
        f"(SELECT {last} FROM {table} WHERE {within} = NEW.{within} AND {first} <= NEW.{last}"
        f" AND number <> NEW.number ORDER BY {first} DESC LIMIT 1) >= NEW.{first}"
    )
    changes = {"insert": "INSERT", "update": f"UPDATE OF {within}, {first}, {last}"}
    if op.get_bind().dialect.name == "sqlite":
        for suffix, change in changes.items():
            op.execute(
                f"CREATE TRIGGER {name}_{suffix} AFTER {change} ON {table} FOR EACH ROW"
                f" WHEN {overlaps} BEGIN SELECT RAISE(ABORT, '{name}'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF {overlaps} THEN"
        f" RAISE EXCEPTION '{name}' USING ERRCODE = 'check_violation'; END IF; RETURN NULL; END $$"
    )
    for suffix, change in changes.items():
        op.execute(
            f"CREATE TRIGGER {name}_{suffix} AFTER {change} ON {table} FOR EACH ROW"
            f" EXECUTE FUNCTION {name}()"
        )


def _allow_overlaps(table: str) -> None:
    name = f"ck_{table}_overlap"
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for suffix in ("insert", "update"):
        op.execute(f"DROP TRIGGER {name}_{suffix}" + ("" if is_sqlite else f" ON {table}"))
    if not is_sqlite:
        op.execute(f"DROP FUNCTION {name}()")
