"""stored responses up to a page's size stay in their row: compressing them cost more than all else of storing them."""

from alembic import op

revision = "0103"
down_revision = "0102"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE idempotency_keys SET (toast_tuple_target = 8160)")


def downgrade() -> None:
    op.execute("ALTER TABLE idempotency_keys RESET (toast_tuple_target)")
