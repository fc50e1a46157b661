"""Topic `inventory_deduction`: the requests of order to inventory, and inventory's answers.

Requests carry the order's version; answers carry the version of the reservation, whose id is the order's.
"""

from uuid import UUID

from pydantic import AwareDatetime, BaseModel

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
    """Reserve all lines or none (several may name the same product); published by order when an order is placed."""

    lines: list[ProductQuantity]
    reserved_until: AwareDatetime


class ReleaseRequested(InventoryRequest, type="mart.release.requested.v1"):
    """Release the order's reservation; published by order when it expires or is to be cancelled."""

    reason: str


class FulfilmentRequested(OfCustomer, InventoryRequest, type="mart.fulfilment.requested.v1"):
    """Make shipments of the reservation, and reserve again if it has expired; published by order when an order is paid.

    From now on the reservation does not expire. The shipments' events need the customer and the order's number.
    """

    number: str
    lines: list[ProductQuantity]
    ship_to: Address


class FulfilmentRefunded(InventoryRequest, type="mart.fulfilment.refunded.v1"):
    """The order is refunded in full although a parcel has left, so the other parcels are held unless staff dispatch
    them; published by order, and again with `refunded` false if the refund failed."""

    refunded: bool = True


class ReturnExpected(OfCustomer, InventoryRequest, type="mart.return.expected.v1"):
    """Expect these products to come back, each named once; published by order when a return is approved.

    The return's event needs the customer and the order's number.
    """

    return_id: UUID
    number: str
    lines: list[ProductQuantity]


class ReservationAccepted(InventoryAnswer, type="mart.reservation.accepted.v1"):
    """All lines are reserved; published by inventory."""

    reserved_until: AwareDatetime


class LackingProduct(BaseModel, frozen=True):
    """A product that lacks stock; `requested` is the sum of the order's lines."""

    product_id: UUID
    requested: int
    available: int


class ReservationRejected(InventoryAnswer, type="mart.reservation.rejected.v1"):
    """Nothing is reserved, since these products lack stock; published by inventory of a reservation or a fulfilment."""

    lines: list[LackingProduct]


class ReservationExpired(InventoryAnswer, type="mart.reservation.expired.v1"):
    """The reservation was not used in time, and its stock is available again; published by inventory."""


class ReservationReleased(InventoryAnswer, type="mart.reservation.released.v1"):
    """The order has no reserved stock any more, and its shipments are cancelled; published by inventory in response to
    a release, even a late one."""


class ReleaseRefused(InventoryAnswer, type="mart.release.refused.v1"):
    """A parcel of the order has been dispatched, so nothing was released; published by inventory."""

    reason: str


class StockDeducted(InventoryAnswer, type="mart.stock.deducted.v1"):
    """A shipment's products were taken out of stock; published by inventory when it is dispatched."""

    shipment_id: UUID
    warehouse_id: UUID
    lines: list[ProductQuantity]
