"""sessions that ended, and end dates of API clients."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ended_sessions",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_ended_sessions")),
    )
    op.create_index(op.f("ix_ended_sessions_ended_at"), "ended_sessions", ["ended_at"], unique=False)
    op.create_index(op.f("ix_ended_sessions_user_id"), "ended_sessions", ["user_id"], unique=False)
    op.add_column("user_standings", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_user_standings_closed",
        "user_standings",
        ["changed_at"],
        unique=False,
        postgresql_where=sa.text("NOT active"),
    )
    op.create_index(
        "ix_user_standings_expires_at",
        "user_standings",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "ix_user_standings_expires_at",
        table_name="user_standings",
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.drop_index("ix_user_standings_closed", table_name="user_standings", postgresql_where=sa.text("NOT active"))
    op.drop_column("user_standings", "expires_at")
    op.drop_index(op.f("ix_ended_sessions_user_id"), table_name="ended_sessions")
    op.drop_index(op.f("ix_ended_sessions_ended_at"), table_name="ended_sessions")
    op.drop_table("ended_sessions")
