"""Response bodies about reservations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import Field

from contracts.events.inventory_deduction import LackingProduct
from inventory_service.reservations.models import Reservation, ReservationLine, ReservationStatus
from service_kit.schemas import RowOut


class ReservationSummary(RowOut):
    order_id: UUID
    status: ReservationStatus
    reserved_until: datetime | None = Field(description="when it expires unless the order is paid; null: it does not")
    lacking: list[LackingProduct] = Field(description="products of which too few were available")
    version: int
    created_at: datetime

    @classmethod
    def of(cls, row: Reservation, **more: Any) -> Self:
        until = row.reserved_until if row.status == ReservationStatus.RESERVED else None
        return super().of(row, reserved_until=until, **more)


class ReservationLineOut(RowOut):
    position: int = Field(description="index of the line in the order, from 0")
    product_id: UUID
    warehouse_id: UUID
    quantity: int


class ReservationOut(ReservationSummary):
    lines: list[ReservationLineOut] = Field(description="the pieces that are reserved now")

    @classmethod
    def with_lines(cls, reservation: Reservation, lines: Sequence[ReservationLine]) -> Self:
        return cls.of(reservation, lines=[ReservationLineOut.of(line) for line in lines])
