"""Topic `order_notification`: the steps of an order and of its returns."""

from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, StrictInt

from contracts.address import Address
from contracts.events.base import Event
from contracts.events.customer import OfCustomer
from contracts.money import Money
from contracts.quantity import LineQuantity, ProductQuantity
from contracts.topics import ORDER_NOTIFICATION


class OrderEvent(
    OfCustomer, Event, topic=ORDER_NOTIFICATION, source="/order_service", key="order_id", subject="order_id"
):
    """What every event about an order carries."""

    order_id: UUID
    number: str
    total: Money


NAMED_LINES = 50
"""How many lines of an order are published with `sku` and `name`: an order may have 2,000, too many for a record."""


class OrderedLine(ProductQuantity):
    """A line as it was ordered; the price is in the minor unit of the order's currency."""

    unit_price: StrictInt
    sku: str | None = Field(default=None, description="of the first 50 lines, as the customer ordered it")
    name: str | None = Field(default=None, description="of the first 50 lines, as the customer ordered it")


class LackingLine(BaseModel, frozen=True):
    """A product that lacked stock, with the SKU and name that the customer ordered."""

    product_id: UUID
    sku: str
    name: str
    requested: int
    available: int


class OrderPlaced(OrderEvent, type="mart.order.placed.v1", notifies_customer=True):
    """An order was placed; its stock is not reserved yet. Published by order."""

    lines: list[OrderedLine]
    ship_to: Address | None = None


class OrderRejected(OrderEvent, type="mart.order.rejected.v1", notifies_customer=True):
    """These products lacked stock, and the order has ended; published by order."""

    lines: list[LackingLine]


class OrderAwaitingPayment(OrderEvent, type="mart.order.awaiting_payment.v1", notifies_customer=True):
    """The stock is reserved, and the order has to be paid by `pay_by`; published by order."""

    pay_by: AwareDatetime
    automatic_payment: bool = Field(
        default=False,
        description="the customer need not pay: the order is free, is paid already, or was placed with a payment token",
    )


class OrderPaid(OrderEvent, type="mart.order.paid.v1", notifies_customer=True):
    """The whole total was captured; published by order."""


class OrderCancelled(OrderEvent, type="mart.order.cancelled.v1", notifies_customer=True):
    """The order was cancelled, by the customer, by staff or for lack of stock; published by order."""

    reason: str | None = Field(default=None, description="shown to the customer; what staff note is not published")


class OrderExpired(OrderEvent, type="mart.order.expired.v1", notifies_customer=True):
    """The order was not paid in time, and has ended; published by order."""


class OrderShipped(OrderEvent, type="mart.order.shipped.v1"):
    """A parcel was dispatched, `partial` if others are still to follow; published by order."""

    partial: bool
    shipment_id: UUID
    carrier: str
    tracking_number: str


class OrderDelivered(OrderEvent, type="mart.order.delivered.v1"):
    """The last parcel has arrived; published by order."""


class OrderCompleted(OrderEvent, type="mart.order.completed.v1"):
    """The return window has closed; published by order."""


class OrderReturned(OrderEvent, type="mart.order.returned.v1"):
    """Everything that was ordered was returned, and the order has ended; published by order."""


class ReturnEvent(OrderEvent):
    """What every event about a return carries."""

    return_id: UUID
    lines: list[LineQuantity]


class ReturnRequested(ReturnEvent, type="mart.return.requested.v1"):
    """The customer wants to return these lines; published by order."""

    reason: str


class ReturnApproved(ReturnEvent, type="mart.return.approved.v1", notifies_customer=True):
    """Staff approved the return, and the customer may send the goods; published by order."""


class ReturnRefused(ReturnEvent, type="mart.return.refused.v1", notifies_customer=True):
    """Staff rejected the return; published by order."""

    reason: str
