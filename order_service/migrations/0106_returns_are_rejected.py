"""a return is `rejected`, with a `rejection_reason`."""

from alembic import op

from service_kit.audit.triggers import TRIGGER, audit

revision = "0106"
down_revision = "0105"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _rename("refused", "rejected", "refusal", "rejection_reason")


def downgrade() -> None:
    _rename("rejected", "refused", "rejection_reason", "refusal")


def _rename(old_status: str, status: str, old_column: str, column: str) -> None:
    """The trigger of the audit log names the columns whose values it withholds."""
    op.execute(f"DROP TRIGGER {TRIGGER} ON returns")
    op.drop_constraint(op.f("ck_returns_status"), "returns", type_="check")
    op.execute(f"UPDATE returns SET status = '{status}' WHERE status = '{old_status}'")  # noqa: S608
    op.alter_column("returns", old_column, new_column_name=column)
    op.create_check_constraint(
        op.f("ck_returns_status"),
        "returns",
        f"status IN ('requested', 'approved', '{status}', 'withdrawn', 'received', 'refunded', 'closed')",
    )
    op.execute(audit("returns", "return", withheld=["reason", column], ignored=["decided_by"]))
