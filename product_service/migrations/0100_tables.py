"""The tables of the product service."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from service_kit.audit.triggers import audit

revision = "0100"
down_revision = None
branch_labels = None
depends_on = None

# The last revision of the migrations that this one replaces: a database that has it has these tables.
REPLACES = "0005"

# unaccent() is STABLE only because somebody could change its dictionary; what is stored needs IMMUTABLE. Every name is
# written out, since the search path is another one while a dump is restored or an index is built.
FOLD = """
CREATE FUNCTION fold(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.lower(public.unaccent('public.unaccent'::pg_catalog.regdictionary, $1))
"""
# A character that is a word of its own for us: Chinese, Japanese, Korean.
ALONE = r"[\u2E80-\u9FFF\uAC00-\uD7AF\uF900-\uFAFF\U00020000-\U0003FFFF]"
SPACED = rf"""
CREATE FUNCTION spaced(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.regexp_replace(public.fold(normalize($1, NFKC)), '({ALONE})', ' \1 ', 'g')
"""
# Empty for a text that has no such character: most products then cost the index nothing.
BY_CHARACTER = rf"""
CREATE FUNCTION by_character(text) RETURNS tsvector LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN normalize($1, NFKC) OPERATOR(pg_catalog.~) '{ALONE}'
            THEN pg_catalog.to_tsvector('pg_catalog.simple'::pg_catalog.regconfig, public.spaced($1))
            ELSE ''::pg_catalog.tsvector END
"""


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public")
    op.execute("CREATE EXTENSION IF NOT EXISTS unaccent WITH SCHEMA public")
    op.execute(FOLD)
    op.execute(SPACED)
    op.execute(BY_CHARACTER)
    op.create_table(
        "availability",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("on_hand", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("available", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("product_id", name=op.f("pk_availability")),
    )
    op.create_table(
        "categories",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid()),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["categories.id"], name=op.f("fk_categories_parent_id_categories")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_categories")),
        sa.UniqueConstraint(
            "parent_id", "name", name=op.f("uq_categories_parent_id_name"), postgresql_nulls_not_distinct=True
        ),
        sa.UniqueConstraint("slug", name=op.f("uq_categories_slug")),
    )
    op.create_index("ix_categories_name_id", "categories", ["name", "id"])
    op.create_table(
        "products",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String()),
        sa.Column("category_id", sa.Uuid()),
        sa.Column("attributes", postgresql.JSONB(), nullable=False),
        sa.Column("price_amount", sa.BigInteger(), nullable=False),
        sa.Column("price_currency", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "search_text", sa.Text(), sa.Computed("fold((sku || ' '::text) || name)", persisted=True), nullable=False
        ),
        sa.Column(
            "search_vector",
            postgresql.TSVECTOR(),
            sa.Computed(
                "(setweight(to_tsvector('english'::regconfig, fold((sku || ' '::text) || name)), 'A'::\"char\") || setweight(to_tsvector('english'::regconfig, fold(COALESCE(description, ''::text))), 'D'::\"char\"))",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("sort_key", sa.Text(collation="C"), server_default="", nullable=False),
        sa.CheckConstraint("status IN ('draft', 'active', 'archived')", name=op.f("ck_products_status")),
        sa.CheckConstraint("price_amount > 0", name=op.f("ck_products_price_amount")),
        sa.ForeignKeyConstraint(["category_id"], ["categories.id"], name=op.f("fk_products_category_id_categories")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
        sa.UniqueConstraint("sku", name=op.f("uq_products_sku")),
        sa.UniqueConstraint("slug", name=op.f("uq_products_slug")),
    )
    op.create_index(
        "ix_products_by_character",
        "products",
        [
            sa.literal_column(
                "by_character((name::text || ' '::text) || COALESCE(description, ''::character varying)::text)"
            )
        ],
        postgresql_using="gin",
    )
    op.create_index(op.f("ix_products_category_id"), "products", ["category_id"])
    op.create_index(
        "ix_products_search_text",
        "products",
        ["search_text"],
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    )
    op.create_index("ix_products_search_vector", "products", ["search_vector"], postgresql_using="gin")
    op.create_index("ix_products_status_created_at", "products", ["status", "created_at", "id"])
    op.create_index("ix_products_status_sort_key", "products", ["status", "sort_key", "id"])
    op.create_index("ix_products_without_sort_key", "products", ["id"], postgresql_where=sa.text("sort_key = ''"))
    op.create_table(
        "prices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("min_quantity", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_prices_amount")),
        sa.CheckConstraint("ends_at >= starts_at", name=op.f("ck_prices_ends_at")),
        sa.CheckConstraint("min_quantity > 0", name=op.f("ck_prices_min_quantity")),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_prices_product_id_products"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prices")),
    )
    op.create_index("ix_prices_product_id_starts_at", "prices", ["product_id", "starts_at", "id"])
    op.create_index(
        "uq_prices_start",
        "prices",
        ["product_id", "currency", "min_quantity", "starts_at"],
        unique=True,
        postgresql_where=sa.text("ends_at IS NULL OR ends_at > starts_at"),
    )
    op.execute(audit("categories", "category"))
    op.execute(audit("products", "product", ignored=["sort_key", "search_text", "search_vector"]))
    op.execute(audit("prices", "price"))


def downgrade() -> None:
    op.drop_table("prices")
    op.drop_table("products")
    op.drop_table("categories")
    op.drop_table("availability")
    op.execute("DROP FUNCTION by_character(text)")
    op.execute("DROP FUNCTION spaced(text)")
    op.execute("DROP FUNCTION fold(text)")
