"""`stuck_reason`."""

from alembic import op

from service_kit.audit.triggers import TRIGGER, audit

revision = "0103"
down_revision = "0102"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _rename("standing_still", "stuck_reason")


def downgrade() -> None:
    _rename("stuck_reason", "standing_still")


def _rename(old: str, new: str) -> None:
    """The trigger of the audit log names the columns that it leaves out."""
    op.alter_column("orders", old, new_column_name=new)
    op.execute(f"ALTER INDEX ix_orders_{old} RENAME TO ix_orders_{new}")
    op.execute(f"DROP TRIGGER {TRIGGER} ON orders")
    op.execute(audit("orders", "order", withheld=["ship_to"], ignored=["status_since", new, "client_address"]))
