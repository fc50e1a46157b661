"""The tables that every service has: events, accounts, idempotency keys, the audit log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from service_kit.audit.triggers import APPEND_ONLY, DROP_APPEND_ONLY, DROP_RECORD, RECORD, audit_dead_letters

revision = "0100"
down_revision = None
branch_labels = None
depends_on = None

# Rows of a queue are soon deleted: by the defaults, dead ones would accumulate up to a fifth of the table.
QUEUE = {"autovacuum_vacuum_scale_factor": 0.02, "autovacuum_vacuum_threshold": 2000}
# Earlier releases had two kinds of audit logs: in the user service, `action` was a varchar and the index was partial.
SAME_AUDIT_LOG = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'audit_log'::regclass AND attname = 'action'
               AND atttypid <> 'text'::regtype) THEN
        ALTER TABLE audit_log ALTER COLUMN action TYPE text;
    END IF;
    IF EXISTS (SELECT FROM pg_index WHERE indexrelid = 'ix_audit_log_resource'::regclass AND indpred IS NULL) THEN
        DROP INDEX ix_audit_log_resource;
        CREATE INDEX ix_audit_log_resource ON audit_log (resource, resource_id, at, id) WHERE resource IS NOT NULL;
    END IF;
END $$
"""
# Earlier migrations widened constraints with NOT VALID. This validates them, which reads the rows and blocks no writer.
VALIDATE = """
DO $$ DECLARE found record; BEGIN
    FOR found IN SELECT conrelid::regclass AS place, conname FROM pg_constraint
                 WHERE NOT convalidated AND connamespace = 'public'::regnamespace LOOP
        EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', found.place, found.conname);
    END LOOP;
END $$
"""


def upgrade() -> None:
    _outbox()
    _inbox()
    _accounts()
    _idempotency_keys()
    _audit_log()


def downgrade() -> None:
    op.execute(DROP_RECORD)
    for table in (
        "audit_log",
        "idempotency_keys",
        "ended_sessions",
        "user_standings",
        "verification_keys",
        "parked_events",
        "inbox",
        "outbox_lease",
        "outbox",
    ):
        op.drop_table(table)
    op.execute(DROP_APPEND_ONLY)


def complete() -> None:
    """Adds what a service's database lacks that was migrated to the last revision before this one."""
    _idempotency_keys()
    op.execute(SAME_AUDIT_LOG)
    op.execute(VALIDATE)


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("traceparent", sa.Text()),
        sa.Column("headers", sa.JSON()),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True)),
        sa.Column("parked_at", sa.DateTime(timezone=True)),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        postgresql_with=QUEUE,
    )
    op.create_index("ix_outbox_parked", "outbox", ["parked_at"], postgresql_where=sa.text("parked_at IS NOT NULL"))
    op.create_index("ix_outbox_unpublished", "outbox", ["id"], postgresql_where=sa.text("published_at IS NULL"))
    op.create_table(
        "outbox_lease",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_lease")),
    )


def _inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_inbox")),
    )
    op.create_index("ix_inbox_received_at", "inbox", ["received_at"], postgresql_using="brin")
    op.create_table(
        "parked_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("parked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("status IN ('waiting', 'dead')", name=op.f("ck_parked_events_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parked_events")),
        sa.UniqueConstraint("event_id", name=op.f("uq_parked_events_event_id")),
        postgresql_with=QUEUE,
    )
    op.create_index(
        "ix_parked_events_due", "parked_events", ["next_attempt_at"], postgresql_where=sa.text("status = 'waiting'")
    )
    op.create_index("ix_parked_events_order", "parked_events", ["topic", "key", "id"])


def _accounts() -> None:
    op.create_table(
        "verification_keys",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("jwks", postgresql.JSONB(), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verification_keys")),
    )
    op.create_table(
        "user_standings",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("permissions", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("erased", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_user_standings")),
    )
    op.create_index(
        "ix_user_standings_closed", "user_standings", ["changed_at"], postgresql_where=sa.text("NOT active")
    )
    op.create_index("ix_user_standings_erased", "user_standings", ["changed_at"], postgresql_where=sa.text("erased"))
    op.create_index(
        "ix_user_standings_expires_at",
        "user_standings",
        ["expires_at"],
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_table(
        "ended_sessions",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_ended_sessions")),
    )
    op.create_index(op.f("ix_ended_sessions_ended_at"), "ended_sessions", ["ended_at"])
    op.create_index(op.f("ix_ended_sessions_user_id"), "ended_sessions", ["user_id"])


def _idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger()),
        sa.Column("body", sa.LargeBinary()),
        sa.Column("location", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "operation", "key", name=op.f("pk_idempotency_keys")),
        if_not_exists=True,
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"], if_not_exists=True)


def _audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.Column("client_id", sa.Text()),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text()),
        sa.Column("resource_id", sa.Text()),
        sa.Column("changes", postgresql.JSONB()),
        sa.Column("request_id", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index("ix_audit_log_actor", "audit_log", ["actor_id", "at", "id"])
    op.create_index("ix_audit_log_at", "audit_log", ["at", "id"])
    op.create_index(
        "ix_audit_log_resource",
        "audit_log",
        ["resource", "resource_id", "at", "id"],
        postgresql_where=sa.text("resource IS NOT NULL"),
    )
    op.execute(APPEND_ONLY)
    op.execute(RECORD)
    op.execute(audit_dead_letters())
