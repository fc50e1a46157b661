"""searching inside of names without blanks, and sorting names."""

import sqlalchemy as sa
from alembic import op

from product_service.products.sort_key import sort_key

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BATCH = 5_000
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
FILL = "UPDATE products SET sort_key = :sort_key WHERE id = :id"


def upgrade() -> None:
    op.execute(SPACED)
    op.execute(BY_CHARACTER)
    op.create_index(
        "ix_products_by_character",
        "products",
        [sa.text("by_character(name || ' ' || coalesce(description, ''))")],
        unique=False,
        postgresql_using="gin",
    )
    op.add_column("products", sa.Column("sort_key", sa.Text(collation="C"), nullable=False, server_default=""))
    _fill()
    op.create_index("ix_products_status_sort_key", "products", ["status", "sort_key", "id"], unique=False)
    op.create_index(
        "ix_products_without_sort_key", "products", ["id"], unique=False, postgresql_where=sa.text("sort_key = ''")
    )
    op.drop_index("ix_products_status_name", table_name="products")


def downgrade() -> None:
    op.create_index(
        "ix_products_status_name", "products", ["status", sa.literal_column("lower(name)"), "id"], unique=False
    )
    op.drop_index("ix_products_without_sort_key", table_name="products", postgresql_where=sa.text("sort_key = ''"))
    op.drop_index("ix_products_status_sort_key", table_name="products")
    op.drop_column("products", "sort_key")
    op.drop_index("ix_products_by_character", table_name="products", postgresql_using="gin")
    op.execute("DROP FUNCTION by_character(text)")
    op.execute("DROP FUNCTION spaced(text)")


def _fill() -> None:
    connection = op.get_bind()
    names = connection.execute(sa.text("SELECT id, name FROM products")).all()
    for start in range(0, len(names), BATCH):
        rows = [{"id": id, "sort_key": sort_key(name)} for id, name in names[start : start + BATCH]]
        connection.execute(sa.text(FILL), rows)
