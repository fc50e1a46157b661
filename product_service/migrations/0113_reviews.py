"""what customers have ordered, and their reviews."""

import sqlalchemy as sa
from alembic import op

from service_kit.audit.triggers import audit

revision = "0113"
down_revision = "0112"
branch_labels = None
depends_on = None

STARS = ("stars_1", "stars_2", "stars_3", "stars_4", "stars_5")


def upgrade() -> None:
    op.create_table(
        "purchases",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("ordered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("order_id", "product_id", name=op.f("pk_purchases")),
    )
    op.create_index("ix_purchases_customer_id", "purchases", ["customer_id", "product_id"])
    op.create_index("ix_purchases_product_id", "purchases", ["product_id", "ordered_at"])
    op.create_table(
        "reviews",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reviewed_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("author", sa.String(), nullable=True),
        sa.Column("rating", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(), nullable=True),
        sa.Column("text", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("reply", sa.String(), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("ck_reviews_rating")),
        sa.CheckConstraint(
            "status IN ('pending', 'published', 'rejected', 'withdrawn')", name=op.f("ck_reviews_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        sa.UniqueConstraint("reviewed_id", "author_id", name=op.f("uq_reviews_reviewed_id_author_id")),
    )
    op.create_index("ix_reviews_reviewed_id_status_id", "reviews", ["reviewed_id", "status", "id"])
    op.create_index("ix_reviews_status_id", "reviews", ["status", "id"])
    op.create_index("ix_reviews_author_id", "reviews", ["author_id", "id"])
    op.create_table(
        "review_stats",
        sa.Column("reviewed_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.Integer(), server_default="0", nullable=False) for name in STARS),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("count", sa.Integer(), sa.Computed(" + ".join(STARS), persisted=True)),
        sa.Column(
            "total",
            sa.Integer(),
            sa.Computed("stars_1 + 2 * stars_2 + 3 * stars_3 + 4 * stars_4 + 5 * stars_5", persisted=True),
        ),
        sa.CheckConstraint(f"least({', '.join(STARS)}) >= 0", name=op.f("ck_review_stats_stars")),
        sa.PrimaryKeyConstraint("reviewed_id", name=op.f("pk_review_stats")),
    )
    # What the author wrote is the author's, and not repeated in the log.
    op.execute(audit("reviews", "review", withheld=["author", "title", "text"]))


def downgrade() -> None:
    op.drop_table("review_stats")
    op.drop_table("reviews")
    op.drop_table("purchases")
