"""A shipment: what one warehouse sends of one order."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from contracts.events.inventory_deduction import FulfilmentRequested
from contracts.events.shipment_notification import ShipmentCreated
from contracts.quantity import LineQuantity
from inventory_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem


class ShipmentStatus(StrEnum):
    """`cancelled`: the order was released before the parcel left; `lost`: it left and will not arrive."""

    CREATED = "created"
    DISPATCHED = "dispatched"
    DELIVERED = "delivered"
    LOST = "lost"
    CANCELLED = "cancelled"


class NotToDispatch(Problem, status=409, type="shipment-not-to-dispatch"):
    """This shipment is {shipment_status}: only one that is created can be dispatched."""


class ShipmentRefunded(Problem, status=409, type="shipment-refunded"):
    """All that was paid for this shipment's order has been refunded: send `confirm_refunded` if it is to leave all the
    same."""


class NotToDeliver(Problem, status=409, type="shipment-not-to-deliver"):
    """This shipment is {shipment_status}: only one that was dispatched can be delivered."""


class NotToCorrect(Problem, status=409, type="shipment-not-to-correct"):
    """This shipment is {shipment_status}: only what has left and is not lost has a carrier that can be corrected."""


class NotToLose(Problem, status=409, type="shipment-not-to-lose"):
    """This shipment is {shipment_status}: only one that was dispatched can be declared lost."""


class Shipment(Base, table=True):
    """Carries all that its events tell, so that each step is one row. `lines` are the order's, never merged.

    `refunded`: all that was paid for the order has gone back, or is on its way. No foreign key on the warehouse: its
    stock rows, which are never deleted, keep it.
    """

    __tablename__ = "shipments"
    __table_args__ = (
        CheckConstraint("status IN ('created', 'dispatched', 'delivered', 'lost', 'cancelled')", name="status"),
        Index("ix_shipments_status_id", "status", "id"),
        Index("ix_shipments_customer_id_id", "customer_id", "id"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    order_id: UUID = Field(index=True)
    customer_id: UUID
    number: str
    warehouse_id: UUID
    status: str = ShipmentStatus.CREATED
    shipments_of_order: int
    lines: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    ship_to: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    carrier: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None
    corrections: list[dict[str, Any]] = Field(
        default_factory=list, sa_column=Column(JSONB, nullable=False, server_default=text("'[]'"))
    )
    refunded: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)
    dispatched_at: datetime | None = None
    delivered_at: datetime | None = None
    lost_at: datetime | None = None

    def dispatch(
        self,
        carrier: str,
        tracking_number: str,
        now: datetime,
        *,
        tracking_url: str | None = None,
        confirm_refunded: bool = False,
    ) -> bool:
        """False where just this was said before: an answer that was lost. Raises: NotToDispatch, ShipmentRefunded."""
        if self.status == ShipmentStatus.DISPATCHED and self._dispatched_with() == (carrier, tracking_number):
            return False
        if self.status != ShipmentStatus.CREATED:
            raise NotToDispatch(shipment_status=self.status)
        if self.refunded and not confirm_refunded:
            raise ShipmentRefunded
        self.status, self.carrier, self.tracking_number = ShipmentStatus.DISPATCHED, carrier, tracking_number
        self.tracking_url, self.dispatched_at = tracking_url, now
        self.version += 1
        return True

    def correct(self, carrier: str, tracking_number: str, tracking_url: str | None, by: UUID, now: datetime) -> bool:
        """What was said before is kept. False where just this was said before. Raises: NotToCorrect."""
        if self.status not in (ShipmentStatus.DISPATCHED, ShipmentStatus.DELIVERED):
            raise NotToCorrect(shipment_status=self.status)
        was = {"carrier": self.carrier, "tracking_number": self.tracking_number, "tracking_url": self.tracking_url}
        if was == {"carrier": carrier, "tracking_number": tracking_number, "tracking_url": tracking_url}:
            return False
        self.corrections = [*self.corrections, {**was, "corrected_by": str(by), "corrected_at": now.isoformat()}]
        self.carrier, self.tracking_number, self.tracking_url = carrier, tracking_number, tracking_url
        self.version += 1
        return True

    def lose(self, now: datetime) -> bool:
        """It left and will not arrive. False where it is lost already. Raises: NotToLose."""
        if self.status == ShipmentStatus.LOST:
            return False
        if self.status != ShipmentStatus.DISPATCHED:
            raise NotToLose(shipment_status=self.status)
        self.status, self.lost_at = ShipmentStatus.LOST, now
        self.version += 1
        return True

    def _dispatched_with(self) -> tuple[str | None, str | None]:
        """Carrier and number as they were said when it left."""
        first = self.corrections[0] if self.corrections else None
        return (first["carrier"], first["tracking_number"]) if first else (self.carrier, self.tracking_number)

    def deliver(self, now: datetime) -> bool:
        """False where it is delivered already. Raises: NotToDeliver."""
        if self.status == ShipmentStatus.DELIVERED:
            return False
        if self.status != ShipmentStatus.DISPATCHED:
            raise NotToDeliver(shipment_status=self.status)
        self.status, self.delivered_at = ShipmentStatus.DELIVERED, now
        self.version += 1
        return True

    def quantities(self) -> dict[UUID, int]:
        """Pieces by product, however many lines they stand in."""
        found: dict[UUID, int] = {}
        for line in self.lines:
            product_id = UUID(line["product_id"])
            found[product_id] = found.get(product_id, 0) + line["quantity"]
        return found


@dataclass(frozen=True, slots=True)
class NewShipment:
    """What a warehouse is to send of an order that was paid."""

    id: UUID
    warehouse_id: UUID
    order: FulfilmentRequested
    lines: list[LineQuantity]
    shipments_of_order: int

    def created(self) -> ShipmentCreated:
        return ShipmentCreated(
            shipment_id=self.id,
            order_id=self.order.order_id,
            customer_id=self.order.customer_id,
            number=self.order.number,
            warehouse_id=self.warehouse_id,
            shipments_of_order=self.shipments_of_order,
            lines=self.lines,
            version=1,
        )
