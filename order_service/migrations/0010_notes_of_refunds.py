"""what staff note about a refund, apart from the reason that the customer reads."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("refunds", sa.Column("note", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("refunds", "note")
