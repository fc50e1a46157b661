"""the check of weights is validated: no row can have had one before, and reading the rows blocks no writer."""

from alembic import op

revision = "0103"
down_revision = "0102"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE products VALIDATE CONSTRAINT ck_products_weight_g")


def downgrade() -> None:
    pass
