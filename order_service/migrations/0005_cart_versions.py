"""cart versions."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "carts",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_carts")),
    )
    op.execute("INSERT INTO carts (user_id, version) SELECT DISTINCT user_id, 1 FROM cart_items")


def downgrade() -> None:
    op.drop_table("carts")
