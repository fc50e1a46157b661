"""recipients.guest: whose orders are mailed about although the address is not confirmed."""

import sqlalchemy as sa
from alembic import op

revision = "0102"
down_revision = "0101"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("recipients", sa.Column("guest", sa.Boolean(), server_default="false", nullable=False))


def downgrade() -> None:
    op.drop_column("recipients", "guest")
