"""The account's signature secret can be replaced while the old one still signs"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.add_column("account", sa.Column("old_signature_secret", sa.String(), nullable=True))
    op.add_column("account", sa.Column("old_signature_secret_until", sa.Double(), nullable=True))
