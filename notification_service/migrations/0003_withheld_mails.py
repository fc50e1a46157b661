"""withheld mails that are sent once the address is confirmed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("recipients", sa.Column("release_withheld", sa.Boolean(), nullable=False, server_default="false"))
    op.create_index(
        "ix_recipients_release_withheld",
        "recipients",
        ["user_id"],
        unique=False,
        postgresql_where=sa.text("release_withheld"),
    )
    op.add_column("deliveries", sa.Column("in_order", sa.Boolean(), nullable=False, server_default="false"))
    op.create_index(
        "ix_deliveries_withheld",
        "deliveries",
        ["user_id"],
        unique=False,
        postgresql_where=sa.text("status = 'withheld'"),
    )


def downgrade() -> None:
    op.drop_index("ix_deliveries_withheld", table_name="deliveries", postgresql_where=sa.text("status = 'withheld'"))
    op.drop_column("deliveries", "in_order")
    op.drop_index(
        "ix_recipients_release_withheld", table_name="recipients", postgresql_where=sa.text("release_withheld")
    )
    op.drop_column("recipients", "release_withheld")
