"""Topic `shipment_notification`: the shipments and returns of an order."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from contracts.events.base import Event
from contracts.events.customer import OfCustomer
from contracts.quantity import LineQuantity
from contracts.topics import SHIPMENT_NOTIFICATION


class ShipmentEvent(
    OfCustomer, Event, topic=SHIPMENT_NOTIFICATION, source="/inventory_service", key="order_id", subject="shipment_id"
):
    """The base class of events about a shipment. With `shipments_of_order`, consumers recognise an order's last one."""

    shipment_id: UUID
    order_id: UUID
    number: str
    warehouse_id: UUID
    shipments_of_order: int = Field(ge=1, description="how many shipments the order has in all")
    lines: list[LineQuantity]


class ShipmentCreated(ShipmentEvent, type="mart.shipment.created.v1"):
    """A warehouse has to pack these lines; published by inventory, once for each warehouse that sends a paid order."""


class ShipmentDispatched(ShipmentEvent, type="mart.shipment.dispatched.v1", notifies_customer=True):
    """The parcel was handed to the carrier; published by inventory."""

    carrier: str
    tracking_number: str
    tracking_url: str | None = None


class ShipmentCorrected(ShipmentEvent, type="mart.shipment.corrected.v1", notifies_customer=True):
    """The carrier or tracking data of a parcel was corrected; published by inventory."""

    status: Literal["dispatched", "delivered"]
    carrier: str
    tracking_number: str
    tracking_url: str | None = None


class ShipmentLost(ShipmentEvent, type="mart.shipment.lost.v1", notifies_customer=True):
    """The dispatched parcel was lost; published by inventory. Its lines are refunded, but not put back into stock."""


class ShipmentDelivered(ShipmentEvent, type="mart.shipment.delivered.v1", notifies_customer=True):
    """The parcel was delivered; published by inventory."""


class ReceivedLine(BaseModel, frozen=True):
    """How many returned pieces of a product were put back into stock, and how many were scrapped."""

    product_id: UUID
    restocked: int = Field(ge=0)
    scrapped: int = Field(ge=0)


class ReturnEvent(
    OfCustomer, Event, topic=SHIPMENT_NOTIFICATION, source="/inventory_service", key="order_id", subject="return_id"
):
    """The base class of inventory's events about a return."""

    return_id: UUID
    order_id: UUID
    number: str


class ReturnReceived(ReturnEvent, type="mart.return.received.v1", notifies_customer=True):
    """A warehouse has received and inspected an approved return; published by inventory, once for each return."""

    warehouse_id: UUID
    lines: list[ReceivedLine]


class ReturnClosed(ReturnEvent, type="mart.return.closed.v1", notifies_customer=True):
    """The goods of an approved return did not arrive, and are no longer expected; published by inventory."""
