"""Notifications in the inbox of a customer."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from notification_service.base import Base
from service_kit.ids import uuid7


class Notification(Base, table=True):
    """One notification. It is hidden until `told_at` is set, which happens when its recipient is known."""

    __tablename__ = "notifications"

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    event_id: UUID = Field(unique=True)
    customer_id: UUID
    kind: str
    order_id: UUID
    title: str
    body: str
    facts: dict[str, Any] = Field(sa_type=JSONB)
    created_at: datetime
    """The time of the event, by which the inbox is sorted."""
    told_at: datetime | None = None
    read_at: datetime | None = None

    __table_args__ = (
        Index("ix_notifications_user", "customer_id", "created_at", "id"),
        Index("ix_notifications_order", "order_id", "created_at", "id"),
        Index(
            "ix_notifications_unread", "customer_id", postgresql_where=text("read_at IS NULL AND told_at IS NOT NULL")
        ),
        Index("ix_notifications_waiting", "customer_id", postgresql_where=text("told_at IS NULL")),
    )
