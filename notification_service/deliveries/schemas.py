"""Response bodies of deliveries."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import Field

from notification_service.channels import ChannelName
from notification_service.deliveries.models import Status
from notification_service.kinds import Kind
from service_kit.schemas import RowOut, examples

_EXAMPLE: dict[str, Any] = {
    "id": "0199c1a0-5b00-7a10-8c00-000000000010",
    "notification_id": "0199c1a0-5b00-7a10-8c00-000000000009",
    "event_id": "0199c1a0-5b00-7a10-8c00-000000000011",
    "customer_id": "0199c1a0-5b00-7a10-8c00-000000000001",
    "kind": "order.paid",
    "channel": "email",
    "address": "ada@example.com",
    "status": "pending",
    "attempts": 1,
    "error": "451 4.3.0 try again later",
    "next_attempt_at": "2026-11-22T15:04:30Z",
    "created_at": "2026-11-22T15:04:00Z",
    "sent_at": None,
}


class DeliveryOut(RowOut):
    """One notification that is sent by one channel."""

    model_config = examples(_EXAMPLE)

    id: UUID
    notification_id: UUID
    event_id: UUID = Field(description="the e-mail's Message-ID is `<event_id>.<channel>@<our domain>`")
    customer_id: UUID
    kind: Kind
    channel: ChannelName
    address: str
    status: Status
    attempts: int
    error: str | None = Field(description="why the last attempt failed, or why it is withheld")
    next_attempt_at: datetime | None = Field(description="null: no further attempt is due")
    created_at: datetime
    sent_at: datetime | None

    @classmethod
    def of(cls, row: Any, **more: object) -> Self:
        shown = super().of(row, **more)
        return shown if shown.status == Status.PENDING else shown.model_copy(update={"next_attempt_at": None})
