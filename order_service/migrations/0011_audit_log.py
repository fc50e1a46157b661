"""the audit log of what staff and API clients change."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from service_kit.audit.triggers import (
    APPEND_ONLY,
    DROP_APPEND_ONLY,
    DROP_RECORD,
    RECORD,
    audit,
    audit_dead_letters,
)

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=True),
        sa.Column("resource_id", sa.Text(), nullable=True),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index("ix_audit_log_at", "audit_log", ["at", "id"], unique=False)
    op.create_index("ix_audit_log_actor", "audit_log", ["actor_id", "at", "id"], unique=False)
    op.create_index("ix_audit_log_resource", "audit_log", ["resource", "resource_id", "at", "id"], unique=False)
    op.execute(APPEND_ONLY)
    op.execute(RECORD)
    op.execute(
        audit("orders", "order", withheld=["ship_to"], ignored=["status_since", "standing_still", "client_address"])
    )
    op.execute(
        audit("payments", "payment", ignored=["opened_by", "request_key", "call_until", "check_at", "client_address"])
    )
    op.execute(
        audit("refunds", "refund", withheld=["reason", "note"], ignored=["requested_by", "attempts", "next_attempt_at"])
    )
    op.execute(audit("returns", "return", withheld=["reason", "refusal"], ignored=["decided_by"]))
    op.execute(audit_dead_letters())


def downgrade() -> None:
    op.execute(DROP_RECORD)
    op.drop_table("audit_log")
    op.execute(DROP_APPEND_ONLY)
