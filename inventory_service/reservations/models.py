"""Reservations of orders, with their lines and their status."""

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
    """`rejected`, `released` and `fulfilled` are final; `expired` is not, since the order may be paid or cancelled."""

    RESERVED = "reserved"
    REJECTED = "rejected"
    RELEASED = "released"
    EXPIRED = "expired"
    FULFILLING = "fulfilling"
    FULFILLED = "fulfilled"


class Reservation(Base, table=True):
    """The reservation of one order. Releases and dispatches exclude each other by locking its row. The rows of `stock`
    are locked after it.

    Each answer to the order service increments `version`. `lacking`: the products because of which it was rejected.
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
    """Pieces in a warehouse that are reserved for a line of an order. The row is deleted when they are released or
    dispatched, so that `reserved` of each row of `stock` is the sum of these.

    It has no foreign key: the hot statement would check it for each line, and reservations are never deleted anyway.
    """

    __tablename__ = "reservation_lines"
    __table_args__ = (CheckConstraint("quantity > 0", name="holds_something"),)

    order_id: UUID = Field(primary_key=True)
    position: int = Field(primary_key=True)
    warehouse_id: UUID = Field(primary_key=True)
    product_id: UUID
    quantity: int = Field(sa_type=BigInteger)
