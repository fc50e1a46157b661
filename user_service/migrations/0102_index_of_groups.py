"""an index of the accounts in a customer group."""

from alembic import op

from service_kit.database.migrations import create_index_concurrently

revision = "0102"
down_revision = "0101"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index_concurrently("ix_accounts_groups", "accounts", ["groups"], postgresql_using="gin")


def downgrade() -> None:
    op.drop_index("ix_accounts_groups", table_name="accounts")
