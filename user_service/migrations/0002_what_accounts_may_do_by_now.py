"""what accounts may do by now."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "user_standings",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("permissions", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("erased", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_user_standings")),
    )
    op.create_index(
        "ix_user_standings_erased", "user_standings", ["changed_at"], unique=False, postgresql_where=sa.text("erased")
    )


def downgrade() -> None:
    op.drop_index("ix_user_standings_erased", table_name="user_standings", postgresql_where=sa.text("erased"))
    op.drop_table("user_standings")
