"""indexes for filters by attribute, option and brand, and for suggestions of categories and families."""

from alembic import op
from sqlalchemy import text

from service_kit.database.migrations import create_index_concurrently

revision = "0112"
down_revision = "0111"
branch_labels = None
depends_on = None

NAMES = text("to_tsvector('simple'::regconfig, spaced(name::text))")


def upgrade() -> None:
    for column in ("attributes", "options"):
        create_index_concurrently(
            f"ix_products_{column}",
            "products",
            [column],
            postgresql_using="gin",
            postgresql_ops={column: "jsonb_path_ops"},
        )
    create_index_concurrently("ix_products_brand", "products", ["brand"], postgresql_where="brand IS NOT NULL")
    parts = text("compound_parts(name::text)")
    create_index_concurrently("ix_products_compound_parts", "products", [parts], postgresql_using="gin")
    for table in ("categories", "families"):
        create_index_concurrently(f"ix_{table}_words", table, [NAMES], postgresql_using="gin")


def downgrade() -> None:
    for table in ("families", "categories"):
        op.drop_index(f"ix_{table}_words")
    for column in ("compound_parts", "brand", "options", "attributes"):
        op.drop_index(f"ix_products_{column}")
