"""The table of the audit log."""

from sqlalchemy import Column, DateTime, Index, MetaData, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB


def add_audit_log(metadata: MetaData) -> Table:
    """Filled by triggers (`triggers.audit`); the database rejects changes of its rows."""
    return Table(
        "audit_log",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("actor_id", Uuid),
        Column("client_id", Text),
        Column("action", Text, nullable=False),
        Column("resource", Text),
        Column("resource_id", Text),
        Column("changes", JSONB),
        Column("request_id", Text),
        Index("ix_audit_log_at", "at", "id"),
        Index("ix_audit_log_actor", "actor_id", "at", "id"),
        Index(
            "ix_audit_log_resource",
            "resource",
            "resource_id",
            "at",
            "id",
            postgresql_where=text("resource IS NOT NULL"),
        ),
    )
