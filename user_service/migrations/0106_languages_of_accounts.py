"""the language that an account has chosen."""

import sqlalchemy as sa
from alembic import op

revision = "0106"
down_revision = "0105"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("locale", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("accounts", "locale")
