"""The tables that messaging keeps in each service's database."""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)

# Rows of a queue are soon deleted: by the defaults, dead ones would accumulate up to a fifth of the table.
_QUEUE = {"autovacuum_vacuum_scale_factor": 0.02, "autovacuum_vacuum_threshold": 2000}


def add_messaging_tables(metadata: MetaData) -> None:
    """Outbox and its lease, inbox, retry queue."""
    _add_outbox(metadata)
    _add_inbox(metadata)
    _add_parked_events(metadata)


def _add_outbox(metadata: MetaData) -> None:
    """`headers` is only set for dead letters, which keep their original headers."""
    outbox = Table(
        "outbox",
        metadata,
        Column("id", BigInteger, Identity(), primary_key=True),
        Column("event_id", Uuid, nullable=False),
        Column("topic", Text, nullable=False),
        Column("key", LargeBinary, nullable=False),
        Column("type", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("source", Text, nullable=False),
        Column("time", DateTime(timezone=True), nullable=False),
        Column("traceparent", Text),
        Column("headers", JSON),
        Column("value", LargeBinary, nullable=False),
        Column("published_at", DateTime(timezone=True)),
        Column("parked_at", DateTime(timezone=True)),
        Column("error", Text),
        postgresql_with=_QUEUE,
    )
    Index("ix_outbox_unpublished", outbox.c.id, postgresql_where=text("published_at IS NULL"))
    Index("ix_outbox_parked", outbox.c.parked_at, postgresql_where=text("parked_at IS NOT NULL"))
    Table(
        "outbox_lease",
        metadata,
        Column("id", SmallInteger, primary_key=True, autoincrement=False),
        Column("owner", Text, nullable=False),
        Column("epoch", BigInteger, nullable=False),
        Column("expires_at", DateTime(timezone=True), nullable=False),
    )


def _add_inbox(metadata: MetaData) -> None:
    """One row per event that took effect. BRIN, because rows are inserted and deleted in the order of time."""
    inbox = Table(
        "inbox",
        metadata,
        Column("event_id", Uuid, primary_key=True),
        Column("topic", Text, nullable=False),
        Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )
    Index("ix_inbox_received_at", inbox.c.received_at, postgresql_using="brin")


def _add_parked_events(metadata: MetaData) -> None:
    """Failed events and those that wait behind them: per (topic, key) in ascending order of `id`."""
    parked = Table(
        "parked_events",
        metadata,
        Column("id", BigInteger, Identity(), primary_key=True),
        Column("event_id", Uuid, nullable=False, unique=True),
        Column("topic", Text, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("offset", BigInteger, nullable=False),
        Column("key", LargeBinary, nullable=False),
        Column("type", Text, nullable=False),
        Column("headers", JSON, nullable=False),
        Column("value", LargeBinary, nullable=False),
        Column("status", Text, nullable=False, server_default="waiting"),
        Column("attempts", Integer, nullable=False, server_default="0"),
        Column("error", Text),
        Column("next_attempt_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("parked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        CheckConstraint("status IN ('waiting', 'dead')", name="status"),
        postgresql_with=_QUEUE,
    )
    Index("ix_parked_events_order", parked.c.topic, parked.c.key, parked.c.id)
    Index("ix_parked_events_due", parked.c.next_attempt_at, postgresql_where=text("status = 'waiting'"))
