"""the registry of attributes, synonyms, and the words of the catalogue, by which misspelt words are corrected."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from service_kit.audit.triggers import audit

revision = "0111"
down_revision = "0110"
branch_labels = None
depends_on = None

# Two words share one of these if one character was inserted, deleted, replaced, or swapped with its neighbour.
DELETIONS = """
CREATE FUNCTION deletions(text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN $1 || ARRAY(
    SELECT pg_catalog.left($1, n - 1) || pg_catalog.substr($1, n + 1)
    FROM pg_catalog.generate_series(1, pg_catalog.length($1)) AS n)
"""

# PostgreSQL's parser takes `red/white` for a path and `m.o.p` for a host, and indexes no part of them. Empty for a name
# without such words: most products then cost the index nothing. The cost has the planner prefer the index.
COMPOUND_PARTS = r"""
CREATE FUNCTION compound_parts(text) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 1000 AS $$
BEGIN
    IF $1 OPERATOR(pg_catalog.~) '[[:alnum:]][^[:alnum:][:space:]''-][[:alnum:]]|[0-9]-|-[0-9]' THEN
        RETURN pg_catalog.to_tsvector(
            'pg_catalog.english'::pg_catalog.regconfig,
            pg_catalog.regexp_replace(public.fold($1), '[^[:alnum:]]+', ' ', 'g'));
    END IF;
    RETURN '';
END $$
"""


def upgrade() -> None:
    op.execute(DELETIONS)
    op.execute(COMPOUND_PARTS)
    op.create_table(
        "attributes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=True),
        sa.Column("facet", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("labels", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('text', 'number', 'boolean')", name=op.f("ck_attributes_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attributes")),
        sa.UniqueConstraint("name", name=op.f("uq_attributes_name")),
    )
    op.create_index("ix_attributes_position_id", "attributes", ["position", "id"])
    op.create_table(
        "synonyms",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("words", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("also", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_synonyms")),
    )
    op.create_index("ix_synonyms_words", "synonyms", ["words"], postgresql_using="gin")
    op.create_table(
        "search_words",
        sa.Column("word", sa.Text(collation="C"), nullable=False),
        sa.Column("products", sa.BigInteger(), nullable=False),
        sa.Column(
            "deletions", postgresql.ARRAY(sa.Text()), sa.Computed("deletions(word)", persisted=True), nullable=False
        ),
        sa.PrimaryKeyConstraint("word", name=op.f("pk_search_words")),
    )
    op.create_index("ix_search_words_deletions", "search_words", ["deletions"], postgresql_using="gin")
    op.create_index(
        "ix_search_words_word",
        "search_words",
        ["word"],
        postgresql_using="gin",
        postgresql_ops={"word": "gin_trgm_ops"},
    )
    op.execute(audit("attributes", "attribute"))
    op.execute(audit("synonyms", "synonym"))


def downgrade() -> None:
    op.drop_table("search_words")
    op.drop_table("synonyms")
    op.drop_table("attributes")
    op.execute("DROP FUNCTION compound_parts(text)")
    op.execute("DROP FUNCTION deletions(text)")
