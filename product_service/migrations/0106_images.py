"""images of products and families."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from service_kit.audit.triggers import audit

revision = "0106"
down_revision = "0105"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "media",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media")),
    )
    op.create_index("uq_media_sha256", "media", ["sha256"], unique=True, postgresql_where="state <> 'deleting'")
    op.create_index("ix_media_touched_at", "media", ["touched_at"], postgresql_where="state <> 'deleting'")
    op.create_index(
        "ix_media_next_attempt_at",
        "media",
        ["next_attempt_at"],
        postgresql_where="state IN ('pending', 'deleting')",
    )
    op.execute(audit("media", "image", ignored=["state", "error", "attempts", "next_attempt_at", "touched_at"]))
    _links("product_media", "product_id", "products")
    _links("family_media", "family_id", "families")
    images = sa.Column("images", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False)
    op.add_column("families", images)


def _links(table: str, owner: str, owners: str) -> None:
    """The audit log has the images of a product or family as a column of its row, which is their copy."""
    op.create_table(
        table,
        sa.Column(owner, sa.Uuid(), nullable=False),
        sa.Column("media_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("alt", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            [owner], [f"{owners}.id"], name=op.f(f"fk_{table}_{owner}_{owners}"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["media_id"], ["media.id"], name=op.f(f"fk_{table}_media_id_media")),
        sa.PrimaryKeyConstraint(owner, "media_id", name=op.f(f"pk_{table}")),
    )
    op.create_index(op.f(f"ix_{table}_media_id"), table, ["media_id"])


def downgrade() -> None:
    op.drop_column("families", "images")
    op.drop_table("family_media")
    op.drop_table("product_media")
    op.drop_table("media")
