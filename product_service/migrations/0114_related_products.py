"""products that staff link to another, and those that are bought together."""

import sqlalchemy as sa
from alembic import op

from service_kit.audit.triggers import audit

revision = "0114"
down_revision = "0113"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "product_links",
        *_products("product_links"),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('accessory', 'alternative', 'spare_part')", name=op.f("ck_product_links_kind")),
        sa.CheckConstraint("product_id <> other_id", name=op.f("ck_product_links_other_id")),
    )
    op.create_table("bought_together", *_products("bought_together"), sa.Column("score", sa.Double(), nullable=False))
    op.create_table(
        "bought_together_runs",
        sa.Column("id", sa.SmallInteger(), server_default=sa.text("1"), autoincrement=False, nullable=False),
        sa.Column("after_id", sa.Uuid(), nullable=True),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_bought_together_runs_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bought_together_runs")),
    )
    op.execute(audit("product_links", "product_link", id="product_id"))


def _products(table: str) -> list[sa.schema.SchemaItem]:
    """The two products of a row, which is deleted with either."""
    found: list[sa.schema.SchemaItem] = [sa.PrimaryKeyConstraint("product_id", "other_id", name=op.f(f"pk_{table}"))]
    for name in ("product_id", "other_id"):
        key = op.f(f"fk_{table}_{name}_products")
        found += [
            sa.Column(name, sa.Uuid(), nullable=False),
            sa.ForeignKeyConstraint([name], ["products.id"], name=key, ondelete="CASCADE"),
        ]
    return found


def downgrade() -> None:
    op.drop_table("bought_together_runs")
    op.drop_table("bought_together")
    op.drop_table("product_links")
