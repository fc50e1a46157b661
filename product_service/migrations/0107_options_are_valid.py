"""the constraints on families and options are validated: no row can have had one before, and reading the rows blocks no
writer."""

from alembic import op

revision = "0107"
down_revision = "0106"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE products VALIDATE CONSTRAINT fk_products_family_id_families")
    op.execute("ALTER TABLE products VALIDATE CONSTRAINT ck_products_options")


def downgrade() -> None:
    pass
