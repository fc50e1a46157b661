"""payment_tokens.traceparent: a payment by token belongs to the trace of the request that brought the token."""

import sqlalchemy as sa
from alembic import op

revision = "0107"
down_revision = "0106"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payment_tokens", sa.Column("traceparent", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("payment_tokens", "traceparent")
