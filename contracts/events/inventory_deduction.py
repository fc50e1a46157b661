"""Topic `inventory_deduction`: requests of the order service to the inventory service, and its answers.

The `version` of a request is the order's; that of an answer is the reservation's, which has the same id as the order.
"""

from uuid import UUID

from pydantic import AwareDatetime, BaseModel

from contracts.address import Address
from contracts.events.base import Event
from contracts.events.customer import OfCustomer
from contracts.quantity import ProductQuantity
from contracts.topics import INVENTORY_DEDUCTION


class InventoryRequest(Event, topic=INVENTORY_DEDUCTION, source="/order_service", key="order_id", subject="order_id"):
    """The base class of requests to inventory."""

    order_id: UUID


class InventoryAnswer(
    Event, topic=INVENTORY_DEDUCTION, source="/inventory_service", key="order_id", subject="order_id"
):
    """The base class of inventory's answers."""

    order_id: UUID


class ReservationRequested(InventoryRequest, type="mart.reservation.requested.v1"):
    """Reserve all lines or none; published by order when an order is placed. Several lines may name one product.

    `only_warehouse_id`: the customer collects the order from this warehouse, so no other may supply it."""

    lines: list[ProductQuantity]
    reserved_until: AwareDatetime
    only_warehouse_id: UUID | None = None


class ReleaseRequested(InventoryRequest, type="mart.release.requested.v1"):
    """Release the order's reservation; published by order when it expires or is to be cancelled."""

    reason: str


class ShippingMethod(BaseModel, frozen=True):
    """The shipping method that the customer chose, as it was named then."""

    code: str
    name: str


class FulfilmentRequested(OfCustomer, InventoryRequest, type="mart.fulfilment.requested.v1"):
    """Create shipments for the reservation, which then does not expire any more; published by order when an order is
    paid. If the reservation has expired already, inventory tries to reserve the lines again, in
    `only_warehouse_id` if that is given.

    Inventory needs the customer and the number for the events about the shipments.
    """

    number: str
    lines: list[ProductQuantity]
    ship_to: Address
    shipping: ShippingMethod | None = None
    only_warehouse_id: UUID | None = None


class FulfilmentRefunded(InventoryRequest, type="mart.fulfilment.refunded.v1"):
    """The order is refunded in full although a parcel was dispatched. The other parcels are held back unless staff
    dispatch them. Published by order, and again with `refunded` false if the refund failed."""

    refunded: bool = True


class ReturnExpected(OfCustomer, InventoryRequest, type="mart.return.expected.v1"):
    """These products will be sent back, each in one line; published by order when a return is approved.

    Inventory needs the customer and the number for the events about the return.
    """

    return_id: UUID
    number: str
    lines: list[ProductQuantity]


class ReservationAccepted(InventoryAnswer, type="mart.reservation.accepted.v1"):
    """All lines are reserved; published by inventory."""

    reserved_until: AwareDatetime


class LackingProduct(BaseModel, frozen=True):
    """A product with too little stock. `requested` is the sum of the order's lines."""

    product_id: UUID
    requested: int
    available: int


class ReservationRejected(InventoryAnswer, type="mart.reservation.rejected.v1"):
    """Nothing is reserved, since these products have too little stock (or the order was released: no lines);
    published by inventory, in response to a reservation or fulfilment request."""

    lines: list[LackingProduct]


class ReservationExpired(InventoryAnswer, type="mart.reservation.expired.v1"):
    """The reservation expired before the order was paid, and its stock is available again; published by inventory."""


class ReservationReleased(InventoryAnswer, type="mart.reservation.released.v1"):
    """The order has no reserved stock any more, and its shipments are cancelled; published by inventory in response to
    a release request, even if nothing was reserved any more."""


class ReleaseRefused(InventoryAnswer, type="mart.release.refused.v1"):
    """A parcel of the order has been dispatched, so nothing was released; published by inventory."""

    reason: str


class StockDeducted(InventoryAnswer, type="mart.stock.deducted.v1"):
    """The products of a shipment were deducted from stock; published by inventory when it is dispatched."""

    shipment_id: UUID
    warehouse_id: UUID
    lines: list[ProductQuantity]
