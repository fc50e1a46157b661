"""texts of products, families, categories and collections in other languages."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from service_kit.audit.triggers import audit

revision = "0115"
down_revision = "0114"
branch_labels = None
depends_on = None

# A foreign key can't refer to one of several tables.
FORGET = """
CREATE FUNCTION forget_translations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM translations WHERE entity = TG_ARGV[0] AND entity_id = OLD.id;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_translations AFTER DELETE ON products
    FOR EACH ROW EXECUTE FUNCTION forget_translations('product');
CREATE TRIGGER forget_translations AFTER DELETE ON families
    FOR EACH ROW EXECUTE FUNCTION forget_translations('family');
CREATE TRIGGER forget_translations AFTER DELETE ON categories
    FOR EACH ROW EXECUTE FUNCTION forget_translations('category');
"""


def upgrade() -> None:
    op.create_table(
        "translations",
        sa.Column("entity", sa.String(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("locale", sa.String(), nullable=False),
        sa.Column("fields", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "entity IN ('product', 'family', 'category', 'collection')", name=op.f("ck_translations_entity")
        ),
        sa.PrimaryKeyConstraint("entity", "entity_id", "locale", name=op.f("pk_translations")),
    )
    op.execute(audit("translations", "translation", id="entity_id"))
    op.execute(FORGET)


def downgrade() -> None:
    op.execute("DROP FUNCTION forget_translations() CASCADE")
    op.drop_table("translations")
