"""Legs and knockers have streams of their own, which end"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward. Every stream there is so far is named after its application, and stays as long."""
    op.add_column("counters", sa.Column("application_id", sa.String(), nullable=True))
    op.add_column("counters", sa.Column("used_at", sa.Double(), nullable=True))
    op.execute("UPDATE counters SET application_id = substr(name, 8) WHERE name LIKE 'stream:%'")
    op.create_index(op.f("ix_counters_application_id"), "counters", ["application_id"])
    op.create_index(op.f("ix_counters_used_at"), "counters", ["used_at"])
