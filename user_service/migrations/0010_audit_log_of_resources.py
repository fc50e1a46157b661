"""the audit log names the resource, its changed fields, the API client and the request."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from service_kit.audit.triggers import DROP_RECORD, RECORD, audit_dead_letters

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit_log", sa.Column("client_id", sa.Text(), nullable=True))
    op.add_column("audit_log", sa.Column("resource", sa.Text(), nullable=True))
    op.add_column("audit_log", sa.Column("resource_id", sa.Text(), nullable=True))
    op.add_column("audit_log", sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("audit_log", sa.Column("request_id", sa.Text(), nullable=True))
    op.alter_column("audit_log", "facts", server_default=sa.text("'{}'"))
    # What was written before names no resource: the index begins empty.
    op.create_index(
        "ix_audit_log_resource",
        "audit_log",
        ["resource", "resource_id", "at", "id"],
        unique=False,
        postgresql_where=sa.text("resource IS NOT NULL"),
    )
    op.execute(RECORD)
    op.execute(audit_dead_letters())


def downgrade() -> None:
    op.execute(DROP_RECORD)
    op.drop_index("ix_audit_log_resource", table_name="audit_log")
    op.alter_column("audit_log", "facts", server_default=None)
    for name in ("request_id", "changes", "resource_id", "resource", "client_id"):
        op.drop_column("audit_log", name)
