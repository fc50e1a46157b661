"""how sessions were opened."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("methods", postgresql.ARRAY(sa.Text()), nullable=False, server_default="{pwd}"))
    # Of an account with a second factor, each session has shown a code: the others ended when it was turned on.
    op.execute(
        "UPDATE sessions SET methods = '{pwd,otp,mfa}' "
        "WHERE account_id IN (SELECT account_id FROM second_factors WHERE confirmed_at IS NOT NULL)"
    )


def downgrade() -> None:
    op.drop_column("sessions", "methods")
