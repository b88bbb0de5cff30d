"""Keys by the time of their revocation, which every gateway asks for again and again."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_api_keys_revoked_time_ns"), "api_keys", ["revoked_time_ns"])


def downgrade() -> None:
    op.drop_index(op.f("ix_api_keys_revoked_time_ns"), table_name="api_keys")
