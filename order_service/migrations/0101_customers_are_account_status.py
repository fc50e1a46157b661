"""customers become columns of the account status."""

import sqlalchemy as sa
from alembic import op

from service_kit.database.migrations import needs_code

revision = "0101"
down_revision = "0100"
branch_labels = None
depends_on = None

# A customer of whom no account status is known: the permissions are unknown too. Dated so that it decides about no
# access token, as before.
MERGE = """
INSERT INTO account_status (user_id, version, changed_at, active, permissions, erased, email, name, email_verified)
SELECT user_id, version, to_timestamp(0), active, '{}', erased, email, name, email_verified FROM customers
ON CONFLICT (user_id) DO UPDATE
SET email = excluded.email, name = excluded.name, email_verified = excluded.email_verified
"""
# API clients have no e-mail address and are never erased.
SPLIT = """
INSERT INTO customers (user_id, version, active, erased, email, name, email_verified)
SELECT user_id, version, active, erased, email, name, email_verified FROM account_status
WHERE email IS NOT NULL OR erased
"""


def upgrade() -> None:
    op.add_column("account_status", sa.Column("email", sa.Text(), nullable=True))
    op.add_column("account_status", sa.Column("name", sa.Text(), nullable=True))
    op.add_column("account_status", sa.Column("email_verified", sa.Boolean(), nullable=True))
    op.execute(MERGE)
    op.drop_table("customers")
    needs_code("0101")


def downgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("erased", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("email_verified", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_customers")),
    )
    op.create_index(op.f("ix_customers_erased"), "customers", ["erased"], unique=False)
    op.execute(SPLIT)
    for column in ("email_verified", "name", "email"):
        op.drop_column("account_status", column)
    needs_code("0100")
