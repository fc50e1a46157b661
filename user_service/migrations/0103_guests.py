"""guests: accounts without a password."""

import sqlalchemy as sa
from alembic import op

revision = "0103"
down_revision = "0102"
branch_labels = None
depends_on = None

# Accounts with such a role would count as guests, without a password.
NAME_IS_FREE = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM roles WHERE lower(name) = 'guest') THEN
        RAISE EXCEPTION 'The shop has a role of its own named Guest, which is a built-in role now.'
        USING HINT = 'Give its accounts another role, delete it, and migrate again.';
    END IF;
END $$
"""


def upgrade() -> None:
    op.execute(NAME_IS_FREE)
    op.add_column("accounts", sa.Column("guest_email", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("accounts", "guest_email")
