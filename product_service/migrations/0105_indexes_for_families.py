"""indexes for the variants of a family, bar codes, and ids in other systems."""

from alembic import op

from service_kit.database.migrations import create_index_concurrently

revision = "0105"
down_revision = "0104"
branch_labels = None
depends_on = None


def upgrade() -> None:
    variant = {"unique": True, "postgresql_where": "family_id IS NOT NULL"}
    create_index_concurrently("uq_products_variant", "products", ["family_id", "options"], **variant)
    create_index_concurrently(
        "uq_products_gtin", "products", ["gtin"], unique=True, postgresql_where="gtin IS NOT NULL"
    )
    create_index_concurrently(
        "ix_products_external_ids",
        "products",
        ["external_ids"],
        postgresql_using="gin",
        postgresql_ops={"external_ids": "jsonb_path_ops"},
    )


def downgrade() -> None:
    op.drop_index("ix_products_external_ids")
    op.drop_index("uq_products_gtin")
    op.drop_index("uq_products_variant")
