"""searching accounts by a part of their name or address."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Every name is written out, since the search path is another one while a dump is restored or an index is built. What
# is stored in an index needs IMMUTABLE: unaccent() is STABLE only because somebody could change its dictionary.
# NFKD parts a letter from its accents; unaccent() knows letters that can't be parted (ø, ß).
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


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public")
    op.execute("CREATE EXTENSION IF NOT EXISTS unaccent WITH SCHEMA public")
    op.execute(FOLD)
    op.execute(CONTAINING)
    op.create_index(
        "ix_accounts_search",
        "accounts",
        [sa.text("fold(email || ' ' || full_name) gin_trgm_ops")],
        unique=False,
        postgresql_using="gin",
    )


def downgrade() -> None:
    op.drop_index("ix_accounts_search", table_name="accounts", postgresql_using="gin")
    op.execute("DROP FUNCTION containing(text)")
    op.execute("DROP FUNCTION fold(text)")
