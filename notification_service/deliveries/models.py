"""Deliveries: notifications that a channel sends."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field

from notification_service.base import Base
from service_kit.ids import uuid7
from service_kit.problems import Problem


class Status(StrEnum):
    """The state of a delivery."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    WITHHELD = "withheld"


class Delivery(Base, table=True):
    """One notification by one channel. While a process sends it, `next_attempt_at` is the end of its lease."""

    __tablename__ = "deliveries"

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    notification_id: UUID = Field(foreign_key="notifications.id", ondelete="CASCADE")
    event_id: UUID
    customer_id: UUID
    kind: str
    channel: str
    address: str
    status: str
    attempts: int = 0
    error: str | None = None
    next_attempt_at: datetime
    in_order: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    """True if it was withheld. Such deliveries of a customer are sent one after the other, in the order of events."""
    created_at: datetime
    sent_at: datetime | None = None

    __table_args__ = (
        UniqueConstraint("notification_id", "channel"),
        CheckConstraint("status IN ('pending', 'sent', 'failed', 'withheld')", name="status"),
        Index("ix_deliveries_due", "next_attempt_at", postgresql_where=text("status = 'pending'")),
        Index("ix_deliveries_user", "customer_id", "id"),
        Index("ix_deliveries_withheld", "customer_id", postgresql_where=text("status = 'withheld'")),
        Index("ix_deliveries_status", "status", "id"),
        # The rows of a queue are updated often. By default, autovacuum would wait until a fifth of the rows is dead.
        {"postgresql_with": {"autovacuum_vacuum_scale_factor": 0.02, "autovacuum_vacuum_threshold": 2000}},
    )

    def send_again(self, now: datetime) -> None:
        """Makes the delivery due again. Raises: DeliveryUnderWay."""
        if self.status == Status.PENDING:
            raise DeliveryUnderWay
        self.status = Status.PENDING
        self.attempts, self.error, self.sent_at = 0, None, None
        self.next_attempt_at = now


class DeliveryUnderWay(Problem, status=409, type="delivery-under-way"):
    """It is still being tried: it can be sent again once it was sent, has failed or was withheld."""
