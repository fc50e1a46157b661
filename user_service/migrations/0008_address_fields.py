"""State or region, phone and company of an address."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("company", "region", "phone"):
        op.add_column("addresses", sa.Column(name, sa.String(), nullable=True))


def downgrade() -> None:
    for name in ("phone", "region", "company"):
        op.drop_column("addresses", name)
