"""an index for the tags of products."""

from alembic import op

from service_kit.database.migrations import create_index_concurrently

revision = "0119"
down_revision = "0117"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index_concurrently(
        "ix_products_tags",
        "products",
        ["tags"],
        postgresql_using="gin",
        postgresql_ops={"tags": "jsonb_path_ops"},
    )


def downgrade() -> None:
    op.drop_index("ix_products_tags")
