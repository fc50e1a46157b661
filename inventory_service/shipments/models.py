"""Shipments: the goods of an order that one warehouse sends."""

from collections import Counter
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

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
    """A shipment. The row has all fields of its events, so that each step changes this row alone. `lines` are lines of
    the order and are never merged.

    `refunded`: all that was paid for the order has been refunded, or is being refunded. `warehouse_id` needs no foreign
    key: the rows of `stock` have one, and are never deleted.
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
    shipping: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JSONB), description="code and name of the method that the customer chose"
    )
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
        """Returns False if it was dispatched with the same carrier and number before, as when a request is repeated
        because its response was lost. Raises: NotToDispatch, ShipmentRefunded."""
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
        """Sets new values, and adds the former to `corrections`. Returns False if none differ. Raises: NotToCorrect."""
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
        """Marks it as lost. Returns False if it is lost already. Raises: NotToLose."""
        if changed := self._end(ShipmentStatus.LOST, NotToLose):
            self.lost_at = now
        return changed

    def deliver(self, now: datetime) -> bool:
        """Marks it as delivered. Returns False if it is delivered already. Raises: NotToDeliver."""
        if changed := self._end(ShipmentStatus.DELIVERED, NotToDeliver):
            self.delivered_at = now
        return changed

    def _dispatched_with(self) -> tuple[str | None, str | None]:
        """The carrier and the tracking number at the dispatch, before any correction."""
        first = self.corrections[0] if self.corrections else None
        return (first["carrier"], first["tracking_number"]) if first else (self.carrier, self.tracking_number)

    def quantities(self) -> Counter[UUID]:
        """The number of pieces by product, in all lines together."""
        found: Counter[UUID] = Counter()
        for line in self.lines:
            found[UUID(line["product_id"])] += line["quantity"]
        return found

    def event_fields(self) -> dict[str, Any]:
        """The fields of all its events. Each event ignores those that it does not have."""
        return {"shipment_id": self.id, **self.model_dump()}

    def _end(self, status: ShipmentStatus, problem: type[Problem]) -> bool:
        """Changes the status. Returns False if it is that already. Raises: `problem`, if it is not `dispatched`."""
        if self.status == status:
            return False
        if self.status != ShipmentStatus.DISPATCHED:
            raise problem(shipment_status=self.status)
        self.status = status
        self.version += 1
        return True
