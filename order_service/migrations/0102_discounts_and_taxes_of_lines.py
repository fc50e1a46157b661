"""discount and tax of the lines of orders."""

import sqlalchemy as sa
from alembic import op

revision = "0102"
down_revision = "0101"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("discount", "tax"):
        op.add_column("order_lines", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("order_lines", "tax")
    op.drop_column("order_lines", "discount")
