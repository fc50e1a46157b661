"""tax class and weight of products, and requests to publish products again."""

import sqlalchemy as sa
from alembic import op

revision = "0102"
down_revision = "0101"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("products", sa.Column("tax_class", sa.String(), server_default="standard", nullable=False))
    op.add_column("products", sa.Column("weight_g", sa.Integer(), nullable=True))
    op.execute("ALTER TABLE products ADD CONSTRAINT ck_products_weight_g CHECK (weight_g > 0) NOT VALID")
    op.create_table(
        "republications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=True),
        sa.Column("after_id", sa.Uuid(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_republications")),
        sa.UniqueConstraint(
            "category_id", name=op.f("uq_republications_category_id"), postgresql_nulls_not_distinct=True
        ),
    )


def downgrade() -> None:
    op.drop_table("republications")
    op.drop_constraint("ck_products_weight_g", "products")
    op.drop_column("products", "weight_g")
    op.drop_column("products", "tax_class")
