"""indexes for the prices of a price list, and of a price rule."""

from alembic import op

from service_kit.database.migrations import create_index_concurrently

revision = "0109"
down_revision = "0108"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index_concurrently(
        "ix_prices_list_id", "prices", ["list_id", "product_id"], postgresql_where="list_id IS NOT NULL"
    )
    create_index_concurrently(
        "ix_prices_rule_id", "prices", ["rule_id", "product_id"], postgresql_where="rule_id IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_index("ix_prices_rule_id")
    op.drop_index("ix_prices_list_id")
