"""Response bodies of notifications."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from notification_service.kinds import Kind
from service_kit.http.pagination import Page
from service_kit.schemas import RowOut, examples

_EXAMPLE: dict[str, Any] = {
    "id": "0199c1a0-5b00-7a10-8c00-000000000009",
    "kind": "order.paid",
    "title": "Your payment for order 100042 has arrived",
    "body": "We have received GBP 20.30 for your order 100042 and are getting it ready.",
    "order_id": "0199c1a0-5b00-7a10-8c00-000000000005",
    "read_at": None,
    "created_at": "2026-11-22T15:04:00Z",
}


class NotificationOut(RowOut):
    """`title` and `body` are plain text, which must be escaped in HTML."""

    model_config = examples(_EXAMPLE)

    id: UUID
    kind: Kind
    title: str
    body: str
    order_id: UUID | None
    read_at: datetime | None
    created_at: datetime = Field(description="the time of the event")


class NotificationPage(Page[NotificationOut]):
    """A page of an inbox, newest first."""

    unread: int = Field(description="the number of unread ones, on all pages")


class MarkedOut(BaseModel):
    """The number of notifications that changed."""

    marked: int = Field(description="how many were unread before")
