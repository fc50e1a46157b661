"""an index of guests by their address."""

import sqlalchemy as sa
from alembic import op

from service_kit.database.migrations import create_index_concurrently

revision = "0104"
down_revision = "0103"
branch_labels = None
depends_on = None


def upgrade() -> None:
    condition = sa.text("guest_email IS NOT NULL")
    create_index_concurrently(
        "ix_accounts_guest_email_key",
        "accounts",
        [sa.literal_column("lower(normalize(guest_email, NFKC))")],
        postgresql_where=condition,
    )


def downgrade() -> None:
    op.drop_index("ix_accounts_guest_email_key", table_name="accounts")
