"""an index of the promotions whose customers are still to be forgotten."""

import sqlalchemy as sa
from alembic import op

from service_kit.database.migrations import create_index_concurrently

revision = "0115"
down_revision = "0114"
branch_labels = None
depends_on = None

WHERE = "status = 'ended' AND forgotten_at IS NULL"


def upgrade() -> None:
    create_index_concurrently(
        "ix_promotions_to_forget", "promotions", ["ended_at"], unique=False, postgresql_where=sa.text(WHERE)
    )


def downgrade() -> None:
    op.drop_index("ix_promotions_to_forget", table_name="promotions", postgresql_where=sa.text(WHERE))
