"""customer groups, and the groups of each account."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0101"
down_revision = "0100"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("groups", postgresql.ARRAY(sa.Uuid()), server_default="{}", nullable=False))
    op.create_table(
        "customer_groups",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_groups")),
    )
    for name, columns, unique, condition in (
        ("uq_customer_groups_lower_name", [sa.literal_column("lower(name)")], True, "deleted_at IS NULL"),
        ("ix_customer_groups_name_id", ["name", "id"], False, "deleted_at IS NULL"),
        ("ix_customer_groups_deleted", ["id"], False, "deleted_at IS NOT NULL"),
    ):
        op.create_index(name, "customer_groups", columns, unique=unique, postgresql_where=sa.text(condition))


def downgrade() -> None:
    op.drop_table("customer_groups")
    op.drop_column("accounts", "groups")
