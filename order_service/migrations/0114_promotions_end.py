"""promotions: their shared code, when they ended and their customers were forgotten; guesses of codes."""

import sqlalchemy as sa
from alembic import op

revision = "0114"
down_revision = "0113"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("promotions", sa.Column("code", sa.String(), nullable=True))
    op.add_column("promotions", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("promotions", sa.Column("forgotten_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "code_guesses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_code_guesses")),
    )
    op.create_index("ix_code_guesses_at", "code_guesses", ["at"])
    op.create_index("ix_code_guesses_who_at", "code_guesses", ["who", "at"])


def downgrade() -> None:
    op.drop_table("code_guesses")
    op.drop_column("promotions", "forgotten_at")
    op.drop_column("promotions", "ended_at")
    op.drop_column("promotions", "code")
