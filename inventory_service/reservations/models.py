"""What an order has reserved, and what may become of it."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from inventory_service.base import Base
from service_kit.clock import utcnow


class ReservationStatus(StrEnum):
    """`rejected`, `released` and `fulfilled` are ends; `expired` is one unless the order is paid after all."""

    RESERVED = "reserved"
    REJECTED = "rejected"
    RELEASED = "released"
    EXPIRED = "expired"
    FULFILLING = "fulfilling"
    FULFILLED = "fulfilled"


class Reservation(Base, table=True):
    """One per order. Its row decides, by its lock, between a release and a dispatch; stock rows are locked after it.

    `version` grows with each answer to order. `lacking` is what a rejection said.
    """

    __tablename__ = "reservations"
    __table_args__ = (
        CheckConstraint(
            "status IN ('reserved', 'rejected', 'released', 'expired', 'fulfilling', 'fulfilled')", name="status"
        ),
        Index("ix_reservations_end", "reserved_until", postgresql_where=text("status = 'reserved'")),
    )

    order_id: UUID = Field(primary_key=True)
    status: str
    version: int = Field(sa_type=BigInteger)
    reserved_until: datetime | None = None
    lacking: list[dict[str, Any]] = Field(
        default_factory=list, sa_column=Column(JSONB, nullable=False, server_default=text("'[]'"))
    )
    created_at: datetime = Field(default_factory=utcnow)


class ReservationLine(Base, table=True):
    """What is held at this moment, for which line of the order and where; gone when it is released or has left.

    So for each stock row, `reserved` is the sum of these. No foreign key: it would be checked for every line that the
    hot path writes, and a reservation is never deleted.
    """

    __tablename__ = "reservation_lines"
    __table_args__ = (CheckConstraint("quantity > 0", name="holds_something"),)

    order_id: UUID = Field(primary_key=True)
    position: int = Field(primary_key=True)
    warehouse_id: UUID = Field(primary_key=True)
    product_id: UUID
    quantity: int = Field(sa_type=BigInteger)
