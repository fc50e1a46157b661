"""collections of products, and tags of products."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from service_kit.audit.triggers import audit

revision = "0116"
down_revision = "0115"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "collections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collections")),
        sa.UniqueConstraint("slug", name=op.f("uq_collections_slug")),
    )
    op.create_table(
        "collection_products",
        sa.Column("collection_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        *(
            sa.ForeignKeyConstraint(
                [f"{name}_id"],
                [f"{name}s.id"],
                name=op.f(f"fk_collection_products_{name}_id_{name}s"),
                ondelete="CASCADE",
            )
            for name in ("collection", "product")
        ),
        sa.PrimaryKeyConstraint("collection_id", "product_id", name=op.f("pk_collection_products")),
    )
    op.create_index(
        "uq_collection_products_position", "collection_products", ["collection_id", "position"], unique=True
    )
    op.create_index("ix_collection_products_product_id", "collection_products", ["product_id"])
    op.execute(audit("collections", "collection"))
    op.execute(audit("collection_products", "collection", id="collection_id"))
    op.execute("""
    CREATE TRIGGER forget_translations AFTER DELETE ON collections
        FOR EACH ROW EXECUTE FUNCTION forget_translations('collection')
    """)
    tags = sa.Column("tags", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False)
    op.add_column("products", tags)


def downgrade() -> None:
    op.drop_column("products", "tags")
    op.drop_table("collection_products")
    op.drop_table("collections")
