"""an index of guests without an address."""

import sqlalchemy as sa
from alembic import op

from service_kit.database.migrations import create_index_concurrently

revision = "0105"
down_revision = "0104"
branch_labels = None
depends_on = None


def upgrade() -> None:
    condition = sa.text("guest_email IS NULL AND roles = '{Guest}'::text[]")
    create_index_concurrently(
        "ix_accounts_guests_without_email", "accounts", ["created_at"], postgresql_where=condition
    )


def downgrade() -> None:
    op.drop_index("ix_accounts_guests_without_email", table_name="accounts")
