"""Several nodes: who they are, what they tell each other, and one row that orders what they write"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward. The number of the last event moves from the counters to where every writer looks first."""
    op.create_table(
        "heads",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("commit_no", sa.BigInteger(), nullable=False),
        sa.Column("change_no", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_heads")),
    )
    op.execute(
        "INSERT INTO heads (id, commit_no, change_no) "
        "SELECT 1, COALESCE((SELECT value FROM counters WHERE name = 'commit'), 0), 0"
    )
    op.execute("DELETE FROM counters WHERE name = 'commit'")
    op.create_table(
        "nodes",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("leased_until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nodes")),
    )
    op.create_table(
        "changes",
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_changes")),
    )
    op.create_index(op.f("ix_changes_created_at"), "changes", ["created_at"])
    op.create_table(
        "bus_messages",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bus_messages")),
    )
    op.create_index(op.f("ix_bus_messages_created_at"), "bus_messages", ["created_at"])
    op.add_column("sessions", sa.Column("node", sa.String(), nullable=True))
    op.add_column("sessions", sa.Column("answered", sa.BigInteger(), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        op.create_index("ix_events_commit_no", "events", ["commit_no"])
