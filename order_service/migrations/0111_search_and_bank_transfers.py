"""orders.payment; what orders are found by; notes and tags."""

import sqlalchemy as sa
from alembic import op

from service_kit.audit.triggers import audit

revision = "0111"
down_revision = "0110"
branch_labels = None
depends_on = None

# As in the user service, for the same search in names. Every name is written out, since the search path is another one
# while a dump is restored or an index is built. What is stored in an index needs IMMUTABLE: unaccent() is STABLE only
# because somebody could change its dictionary. NFKD parts a letter from its accents; unaccent() knows letters that
# can't be parted (ø, ß).
FOLD = """
CREATE FUNCTION fold(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.lower(public.unaccent(
    'public.unaccent'::pg_catalog.regdictionary,
    pg_catalog.regexp_replace(normalize($1, NFKD), '[\u0300-\u036f]', '', 'g')
))
"""
# Escapes after folding, which may make a % of its full-width form.
CONTAINING = r"""
CREATE FUNCTION containing(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '%' || pg_catalog.regexp_replace(public.fold($1), '([\\%_])', '\\\1', 'g') || '%'
"""
# The same rules as in `orders.models.payment_status`.
PAYMENT_STATUS = """
CREATE FUNCTION payment_status(total bigint, captured bigint, refunded bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN captured > 0 AND captured <= refunded THEN 'refunded'
    WHEN captured - refunded >= total THEN 'paid'
    WHEN refunded > 0 THEN 'partially_refunded'
    WHEN captured > 0 THEN 'partially_paid'
    ELSE 'unpaid'
END
"""


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public")
    op.execute("CREATE EXTENSION IF NOT EXISTS unaccent WITH SCHEMA public")
    op.execute(FOLD)
    op.execute(CONTAINING)
    op.execute(PAYMENT_STATUS)
    op.add_column("orders", sa.Column("payment", sa.String(), nullable=True))
    _create_search()
    _create_notes_and_tags()


def _create_search() -> None:
    op.create_table(
        "order_search",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=True),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_order_search")),
    )
    op.create_index("ix_order_search_country_order_id", "order_search", ["country", "order_id"])
    op.create_index("ix_order_search_currency_total", "order_search", ["currency", "total", "order_id"])
    op.create_index(
        "ix_order_search_recipient",
        "order_search",
        [sa.literal_column("fold(recipient)").label("searched")],
        postgresql_using="gin",
        postgresql_ops={"searched": "gin_trgm_ops"},
    )


def _create_notes_and_tags() -> None:
    op.create_table(
        "order_tags",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("tags", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_tags_order_id_orders")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_order_tags")),
    )
    op.create_index("ix_order_tags_tags", "order_tags", ["tags"], postgresql_using="gin")
    op.create_table(
        "order_notes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_notes_order_id_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_notes")),
    )
    op.create_index("ix_order_notes_order_id_id", "order_notes", ["order_id", "id"])
    op.execute(audit("order_tags", "order-tags", id="order_id", withheld=["tags"]))
    op.execute(audit("order_notes", "order-note", withheld=["text"], ignored=["author_id"]))


def downgrade() -> None:
    op.drop_table("order_notes")
    op.drop_table("order_tags")
    op.drop_table("order_search")
    op.drop_column("orders", "payment")
    op.execute("DROP FUNCTION payment_status(bigint, bigint, bigint)")
    op.execute("DROP FUNCTION containing(text)")
    op.execute("DROP FUNCTION fold(text)")
