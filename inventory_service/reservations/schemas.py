"""Answers about reservations."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from contracts.events.inventory_deduction import LackingProduct
from inventory_service.reservations.models import Reservation, ReservationLine, ReservationStatus


class ReservationSummary(BaseModel):
    order_id: UUID
    status: ReservationStatus
    reserved_until: datetime | None = Field(description="freed then, unless paid before; null: without end, or over")
    lacking: list[LackingProduct] = Field(description="what there was too little of, where it was rejected")
    version: int
    created_at: datetime

    @classmethod
    def of(cls, reservation: Reservation) -> "ReservationSummary":
        return cls(**_fields(reservation))


class ReservationLineOut(BaseModel):
    position: int = Field(description="the order's line, from 0")
    product_id: UUID
    warehouse_id: UUID
    quantity: int


class ReservationOut(ReservationSummary):
    lines: list[ReservationLineOut] = Field(description="what is held at this moment")

    @classmethod
    def with_lines(cls, reservation: Reservation, lines: Sequence[ReservationLine]) -> "ReservationOut":
        held = [ReservationLineOut.model_validate(line, from_attributes=True) for line in lines]
        return cls(**_fields(reservation), lines=held)


def _fields(reservation: Reservation) -> dict[str, object]:
    until = reservation.reserved_until if reservation.status == ReservationStatus.RESERVED else None
    return {**reservation.model_dump(), "reserved_until": until}
