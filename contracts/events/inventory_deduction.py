"""Topic `inventory_deduction`: what order asks of inventory, and what inventory answers.

The versions of the requests are the order's; those of the answers are the reservation's, which has the order's id.
"""

from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from contracts.address import Address
from contracts.events.base import Event
from contracts.events.customer import OfCustomer
from contracts.quantity import ProductQuantity
from contracts.topics import INVENTORY_DEDUCTION


class InventoryRequest(Event, topic=INVENTORY_DEDUCTION, source="/order_service", key="order_id", subject="order_id"):
    """What every request of order carries."""

    order_id: UUID


class InventoryAnswer(
    Event, topic=INVENTORY_DEDUCTION, source="/inventory_service", key="order_id", subject="order_id"
):
    """What every answer of inventory carries."""

    order_id: UUID


class ReservationRequested(InventoryRequest, type="mart.reservation.requested.v1"):
    """Reserve all lines or none (a product may stand in several); said by order when an order is placed."""

    lines: list[ProductQuantity]
    reserved_until: AwareDatetime


class ReleaseRequested(InventoryRequest, type="mart.release.requested.v1"):
    """Release what the order holds; published by order when it expires or is to be cancelled."""

    reason: str


class FulfilmentRequested(OfCustomer, InventoryRequest, type="mart.fulfilment.requested.v1"):
    """Make shipments of the reservation, and reserve again if it is gone; said by order when an order is paid.

    From here on the reservation has no end. The customer and the order's number are for the shipments' events.
    """

    number: str
    lines: list[ProductQuantity]
    ship_to: Address


class FulfilmentRefunded(InventoryRequest, type="mart.fulfilment.refunded.v1"):
    """All that was paid for the order goes back though a parcel has left: what has not left shouldn't, unless somebody
    says so; said by order, and again with `refunded` false where the money could not go back."""

    refunded: bool = True


class ReturnExpected(OfCustomer, InventoryRequest, type="mart.return.expected.v1"):
    """Receive these when they come back, each product once; said by order when a return is approved.

    The customer and the order's number are for the return's event.
    """

    return_id: UUID
    number: str
    lines: list[ProductQuantity]


class ReservationAccepted(InventoryAnswer, type="mart.reservation.accepted.v1"):
    """All lines are reserved; said by inventory."""

    reserved_until: AwareDatetime


class LackingProduct(BaseModel):
    """A product that there is too little of; `requested` is the sum of the order's lines."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    product_id: UUID
    requested: int
    available: int


class ReservationRejected(InventoryAnswer, type="mart.reservation.rejected.v1"):
    """Nothing is reserved, since these products lack stock; said by inventory of a reservation or a fulfilment."""

    lines: list[LackingProduct]


class ReservationExpired(InventoryAnswer, type="mart.reservation.expired.v1"):
    """Nobody released or used the reservation by its end, and it is freed; said by inventory."""


class ReservationReleased(InventoryAnswer, type="mart.reservation.released.v1"):
    """The order holds nothing more, and its shipments are cancelled; published by inventory as the response to a
    release, even if late."""


class ReleaseRefused(InventoryAnswer, type="mart.release.refused.v1"):
    """A parcel of the order has left, so nothing was released; said by inventory."""

    reason: str


class StockDeducted(InventoryAnswer, type="mart.stock.deducted.v1"):
    """A shipment's products have left the stock; said by inventory when it is dispatched."""

    shipment_id: UUID
    warehouse_id: UUID
    lines: list[ProductQuantity]
