"""account_status.groups: the customer groups of an account."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0110"
down_revision = "0109"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("groups", postgresql.ARRAY(sa.Uuid()), server_default="{}", nullable=False)
    op.add_column("account_status", column)


def downgrade() -> None:
    op.drop_column("account_status", "groups")
