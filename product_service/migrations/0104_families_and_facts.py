"""families of products, and more facts of products: brand, bar code, dimensions, ids in other systems, texts for search
engines, images."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from service_kit.audit.triggers import audit

revision = "0104"
down_revision = "0103"
branch_labels = None
depends_on = None

JSONS = {"options": "{}", "external_ids": "{}", "meta": "{}", "images": "[]"}
ADDED = ("family_id", *JSONS, "brand", "gtin", "dimensions", "seo")


def upgrade() -> None:
    op.create_table(
        "families",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("category_id", sa.Uuid(), nullable=True),
        sa.Column("options", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["category_id"], ["categories.id"], name=op.f("fk_families_category_id_categories")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_families")),
        sa.UniqueConstraint("slug", name=op.f("uq_families_slug")),
    )
    op.create_index("ix_families_category_id", "families", ["category_id"])
    op.execute(audit("families", "family"))
    op.add_column("products", sa.Column("family_id", sa.Uuid(), nullable=True))
    for name, default in JSONS.items():
        column = sa.Column(name, postgresql.JSONB(), server_default=sa.text(f"'{default}'::jsonb"), nullable=False)
        op.add_column("products", column)
    op.add_column("products", sa.Column("brand", sa.String(), nullable=True))
    op.add_column("products", sa.Column("gtin", sa.String(), nullable=True))
    op.add_column("products", sa.Column("dimensions", postgresql.JSONB(), nullable=True))
    op.add_column("products", sa.Column("seo", postgresql.JSONB(), nullable=True))
    # What is added is empty in every row: nothing has to be checked.
    op.execute("""
    ALTER TABLE products ADD CONSTRAINT fk_products_family_id_families
        FOREIGN KEY (family_id) REFERENCES families (id) NOT VALID
    """)
    op.execute("""
    ALTER TABLE products ADD CONSTRAINT ck_products_options
        CHECK ((family_id IS NULL) = (options = '{}'::jsonb)) NOT VALID
    """)


def downgrade() -> None:
    for name in reversed(ADDED):
        op.drop_column("products", name)
    op.drop_table("families")
