"""payments may require action of their customer, be authorised, and be voided."""

import sqlalchemy as sa
from alembic import op

from service_kit.audit.triggers import TRIGGER, audit

revision = "0105"
down_revision = "0104"
branch_labels = None
depends_on = None

OPEN = sa.text("status IN ('pending', 'action_required', 'authorised')")
PENDING = sa.text("status = 'pending'")
IGNORED = ["opened_by", "request_key", "call_until", "check_at", "client_address"]
ACTION = ["action_type", "action_url"]


def upgrade() -> None:
    for name in ACTION:
        op.add_column("payments", sa.Column(name, sa.String(), nullable=True))
    _audit(IGNORED + ACTION)
    op.drop_constraint(op.f("ck_payments_status"), "payments", type_="check")
    op.create_check_constraint(
        op.f("ck_payments_status"),
        "payments",
        "status IN ('pending', 'action_required', 'authorised', 'failed', 'voided', 'succeeded')",
    )
    op.drop_index("uq_payments_pending", table_name="payments")
    op.drop_index("ix_payments_check_at", table_name="payments")
    op.create_index("uq_payments_open", "payments", ["order_id"], unique=True, postgresql_where=OPEN)
    op.create_index("ix_payments_check_at", "payments", ["check_at"], postgresql_where=OPEN)


def downgrade() -> None:
    # What waits for its customer, or for its capture, is asked about again; a voided payment took no money.
    op.execute("UPDATE payments SET status = 'pending' WHERE status IN ('action_required', 'authorised')")
    op.execute("UPDATE payments SET status = 'failed', failure_reason = 'voided' WHERE status = 'voided'")
    op.drop_index("ix_payments_check_at", table_name="payments")
    op.drop_index("uq_payments_open", table_name="payments")
    op.create_index("ix_payments_check_at", "payments", ["check_at"], postgresql_where=PENDING)
    op.create_index("uq_payments_pending", "payments", ["order_id"], unique=True, postgresql_where=PENDING)
    op.drop_constraint(op.f("ck_payments_status"), "payments", type_="check")
    op.create_check_constraint(op.f("ck_payments_status"), "payments", "status IN ('pending', 'succeeded', 'failed')")
    _audit(IGNORED)
    for name in ACTION:
        op.drop_column("payments", name)


def _audit(ignored: list[str]) -> None:
    """The customer's link to the gateway is of no use once it was followed: the audit log doesn't keep it."""
    op.execute(f"DROP TRIGGER {TRIGGER} ON payments")
    op.execute(audit("payments", "payment", ignored=ignored))
