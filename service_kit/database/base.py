"""The registry and metadata of a service's tables: each service has its own, since `SQLModel.metadata` is global."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import registry

from service_kit.audit.tables import add_audit_log
from service_kit.messaging.tables import add_messaging_tables

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def service_registry() -> registry:
    """The registry for a service's `Base`: `class Base(SQLModel, registry=service_registry())`."""
    return registry(metadata=MetaData(naming_convention=NAMES))


def add_kit_tables(metadata: MetaData, *, audit_log: bool = True, account_columns: Sequence[Column[Any]] = ()) -> None:
    """Adds the kit's tables, which every service's database has, as the migrations of the kit create them.

    Outbox, inbox and retry queue (messaging); the last verification keys that were fetched, so that tokens are
    verified while the user service is down; the account status, and which sessions were ended; the responses stored by
    idempotency key; and the audit log, unless the service adds columns to it (`audit_log=False`) and so has a model of
    the whole table. `account_columns`: further columns of each account beside its status; nullable or with a default,
    since the kit's statements leave them out.
    """
    add_messaging_tables(metadata)
    if audit_log:
        add_audit_log(metadata)
    Table(
        "verification_keys",
        metadata,
        Column("id", SmallInteger, primary_key=True, autoincrement=False),
        Column("jwks", JSONB, nullable=False),
        Column("fetched_at", DateTime(timezone=True), nullable=False),
    )
    _add_account_status(metadata, account_columns)
    Table(
        "idempotency_keys",
        metadata,
        Column("user_id", Uuid, primary_key=True),
        Column("operation", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("body_hash", LargeBinary, nullable=False),
        Column("status", SmallInteger),
        Column("body", LargeBinary),
        Column("location", Text),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now(), index=True),
    )


def _add_account_status(metadata: MetaData, columns: Sequence[Column[Any]]) -> None:
    status = Table(
        "account_status",
        metadata,
        Column("user_id", Uuid, primary_key=True),
        Column("version", BigInteger, nullable=False),
        Column("changed_at", DateTime(timezone=True), nullable=False),
        Column("active", Boolean, nullable=False),
        Column("permissions", ARRAY(Text), nullable=False),
        Column("erased", Boolean, nullable=False),
        Column("merged_into", Uuid),
        Column("expires_at", DateTime(timezone=True)),
        *columns,
    )
    Index("ix_account_status_erased", status.c.changed_at, postgresql_where=text("erased"))
    Index("ix_account_status_closed", status.c.changed_at, postgresql_where=text("NOT active"))
    Index("ix_account_status_expires_at", status.c.expires_at, postgresql_where=text("expires_at IS NOT NULL"))
    Table(
        "ended_sessions",
        metadata,
        Column("session_id", Uuid, primary_key=True),
        Column("user_id", Uuid, nullable=False, index=True),
        Column("ended_at", DateTime(timezone=True), nullable=False, index=True),
    )
