"""ORM models of tables that the services write with plain SQL. The other models are those of the services."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, Column, Identity
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from contracts.events import Event
from service_kit.ids import uuid7


class Base(SQLModel, registry=registry()):
    """A base with separate metadata, so that migrations do not include these models."""


class IdempotencyEntry(Base, table=True):
    __tablename__ = "idempotency_keys"

    user_id: UUID = Field(primary_key=True)
    operation: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    body_hash: bytes
    status: int | None = None
    body: bytes | None = None
    location: str | None = None
    created_at: datetime


class OutboxEntry(Base, table=True):
    __tablename__ = "outbox"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    event_id: UUID
    topic: str
    key: bytes
    type: str
    subject: str
    source: str
    time: datetime
    traceparent: str | None = None
    headers: Any = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    value: bytes

    @classmethod
    def of(cls, event: Event, now: datetime) -> "OutboxEntry":
        return cls(
            event_id=uuid7(),
            topic=event.topic.name,
            key=event.key.encode(),
            type=event.type,
            subject=event.subject,
            source=event.source,
            time=now,
            value=event.model_dump_json().encode(),
        )
