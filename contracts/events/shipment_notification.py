"""Topic `shipment_notification`: the parcels of an order, and what comes back of them."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.events.base import Event
from contracts.events.customer import OfCustomer
from contracts.quantity import LineQuantity
from contracts.topics import SHIPMENT_NOTIFICATION


class ShipmentEvent(
    OfCustomer, Event, topic=SHIPMENT_NOTIFICATION, source="/inventory_service", key="order_id", subject="shipment_id"
):
    """What every event about a shipment carries; by `shipments_of_order` a consumer can tell the last one."""

    shipment_id: UUID
    order_id: UUID
    number: str
    warehouse_id: UUID
    shipments_of_order: int = Field(ge=1, description="how many shipments the order has in all")
    lines: list[LineQuantity]


class ShipmentCreated(ShipmentEvent, type="mart.shipment.created.v1"):
    """A warehouse is to pack these lines; said by inventory, once for each warehouse of a paid order."""


class ShipmentDispatched(ShipmentEvent, type="mart.shipment.dispatched.v1", notifies_customer=True):
    """The parcel has left with the carrier; said by inventory."""

    carrier: str
    tracking_number: str
    tracking_url: str | None = None


class ShipmentCorrected(ShipmentEvent, type="mart.shipment.corrected.v1", notifies_customer=True):
    """The carrier or the tracking number of a parcel was wrong, and this is right; said by inventory."""

    status: Literal["dispatched", "delivered"]
    carrier: str
    tracking_number: str
    tracking_url: str | None = None


class ShipmentLost(ShipmentEvent, type="mart.shipment.lost.v1", notifies_customer=True):
    """The parcel has left and will not arrive: its lines are refunded, and no stock comes back; said by inventory."""


class ShipmentDelivered(ShipmentEvent, type="mart.shipment.delivered.v1", notifies_customer=True):
    """The parcel has arrived; said by inventory."""


class ReceivedLine(BaseModel):
    """What came back of a product: as good as new, or only to be thrown away."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    product_id: UUID
    restocked: int = Field(ge=0)
    scrapped: int = Field(ge=0)


class ReturnReceived(
    OfCustomer,
    Event,
    type="mart.return.received.v1",
    topic=SHIPMENT_NOTIFICATION,
    source="/inventory_service",
    key="order_id",
    subject="return_id",
    notifies_customer=True,
):
    """A warehouse has looked at what came back of an approved return; said by inventory, once for each return."""

    return_id: UUID
    order_id: UUID
    number: str
    warehouse_id: UUID
    lines: list[ReceivedLine]


class ReturnClosed(
    OfCustomer,
    Event,
    type="mart.return.closed.v1",
    topic=SHIPMENT_NOTIFICATION,
    source="/inventory_service",
    key="order_id",
    subject="return_id",
    notifies_customer=True,
):
    """What was to come back of an approved return never came, and is not awaited any more; said by inventory."""

    return_id: UUID
    order_id: UUID
    number: str
