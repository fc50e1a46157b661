"""Topic `order_notification`: the steps of an order's life."""

from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictInt

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
"""How many lines of an order are published with `sku` and `name`. An order has up to 2,000, and a record has an end."""


class OrderedLine(ProductQuantity):
    """A line as it was ordered; the price is in the minor unit of the order's currency."""

    unit_price: StrictInt
    sku: str | None = Field(default=None, description="of the first 50 lines, as the customer ordered it")
    name: str | None = Field(default=None, description="of the first 50 lines, as the customer ordered it")


class LackingLine(BaseModel):
    """A product that there was too little of, as the customer knows it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    product_id: UUID
    sku: str
    name: str
    requested: int
    available: int


class OrderPlaced(OrderEvent, type="mart.order.placed.v1", notifies_customer=True):
    """An order was taken, its stock not yet decided; said by order."""

    lines: list[OrderedLine]
    ship_to: Address | None = None


class OrderRejected(OrderEvent, type="mart.order.rejected.v1", notifies_customer=True):
    """There was not enough of these products, and the order is at its end; said by order."""

    lines: list[LackingLine]


class OrderAwaitingPayment(OrderEvent, type="mart.order.awaiting_payment.v1", notifies_customer=True):
    """The stock is reserved, and money is awaited until `pay_by`; said by order."""

    pay_by: AwareDatetime
    automatic_payment: bool = Field(
        default=False,
        description="nothing is asked of the customer: the order is free, is paid for already, or came with the token"
        " that it is charged with",
    )


class OrderPaid(OrderEvent, type="mart.order.paid.v1", notifies_customer=True):
    """The whole total was captured; said by order."""


class OrderCancelled(OrderEvent, type="mart.order.cancelled.v1", notifies_customer=True):
    """The order was cancelled, by the customer, by staff or for lack of stock; published by order."""

    reason: str | None = Field(default=None, description="for the customer to read; what staff note is not published")


class OrderExpired(OrderEvent, type="mart.order.expired.v1", notifies_customer=True):
    """The money did not come in time, and the order is at its end; said by order."""


class OrderShipped(OrderEvent, type="mart.order.shipped.v1"):
    """A parcel has left, `partial` if others are still to leave; said by order."""

    partial: bool
    shipment_id: UUID
    carrier: str
    tracking_number: str


class OrderDelivered(OrderEvent, type="mart.order.delivered.v1"):
    """The last parcel has arrived; said by order."""


class OrderCompleted(OrderEvent, type="mart.order.completed.v1"):
    """The return window is over; said by order."""


class OrderReturned(OrderEvent, type="mart.order.returned.v1"):
    """Everything that was ordered has come back, and the order is at its end; said by order."""


class ReturnEvent(OrderEvent):
    """What every event about a return carries."""

    return_id: UUID
    lines: list[LineQuantity]


class ReturnRequested(ReturnEvent, type="mart.return.requested.v1"):
    """The customer wants to give these back; said by order."""

    reason: str


class ReturnApproved(ReturnEvent, type="mart.return.approved.v1", notifies_customer=True):
    """Staff take these back, and the customer may send them; said by order."""


class ReturnRefused(ReturnEvent, type="mart.return.refused.v1", notifies_customer=True):
    """Staff don't take these back; said by order."""

    reason: str
