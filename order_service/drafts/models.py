"""A draft: what an order will be placed with, until it is placed once or dropped."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from order_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem


class DraftStatus(StrEnum):
    """`placed` and `dropped` are final."""

    OPEN = "open"
    PLACED = "placed"
    DROPPED = "dropped"


class DraftNotOpen(Problem, status=409, type="draft-not-open"):
    """The draft is {draft_status}: only an open one can be changed, dropped or placed."""


IS_OPEN = text("status = 'open'")


class Draft(Base, table=True):
    """`content` is a valid `DraftContent`. Whatever changes or places a draft locks this row first."""

    __tablename__ = "drafts"
    __table_args__ = (
        CheckConstraint("status IN ('open', 'placed', 'dropped')", name="status"),
        CheckConstraint("(status = 'placed') = (order_id IS NOT NULL)", name="placed"),
        Index("ix_drafts_status_id", "status", "id"),
        Index("ix_drafts_customer_id_id", "customer_id", "id"),
        Index("ix_drafts_expires_at", "expires_at", postgresql_where=IS_OPEN),
        Index("uq_drafts_order_id", "order_id", unique=True),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    customer_id: UUID
    content: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    note: str | None = Field(default=None, description="for staff alone")
    status: str = Field(default=DraftStatus.OPEN, sa_type=Text)
    expires_at: datetime
    version: int = 1
    order_id: UUID | None = Field(default=None, description="the order that it was placed as")
    created_by: UUID
    created_at: datetime = Field(default_factory=utcnow)

    def check_open(self, now: datetime) -> None:
        """Raises: DraftNotOpen, also between its expiry and the next run of the job that drops it."""
        if self.status != DraftStatus.OPEN:
            raise DraftNotOpen(draft_status=self.status, order_id=self.order_id)
        if self.expires_at <= now:
            raise DraftNotOpen(draft_status="expired", order_id=None)

    def change(self, content: dict[str, Any], note: str | None, now: datetime) -> None:
        """Raises: DraftNotOpen."""
        self.check_open(now)
        self.content, self.note = content, note
        self.version += 1

    def drop(self, now: datetime) -> None:
        """Raises: DraftNotOpen."""
        self.check_open(now)
        self.status = DraftStatus.DROPPED
        self.version += 1

    def placed_as(self, order_id: UUID) -> None:
        """Call it in the transaction that places the order, after `check_open`."""
        self.status, self.order_id = DraftStatus.PLACED, order_id
        self.version += 1
