"""Renames the table `user_standings` to `account_status`."""

from alembic import op

from service_kit.database.migrations import needs_code

revision = "0101"
down_revision = "0100"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _rename("user_standings", "account_status")
    needs_code("0101")


def downgrade() -> None:
    _rename("account_status", "user_standings")
    needs_code("0100")


def _rename(old: str, new: str) -> None:
    op.rename_table(old, new)
    op.execute(f"ALTER INDEX pk_{old} RENAME TO pk_{new}")
    for index in ("erased", "closed", "expires_at"):
        op.execute(f"ALTER INDEX ix_{old}_{index} RENAME TO ix_{new}_{index}")
