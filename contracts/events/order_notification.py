"""Topic `order_notification`: changes of the status of orders and returns."""

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
    """The base class of events about an order."""

    order_id: UUID
    number: str
    total: Money


NAMED_LINES = 50
"""How many lines of an order have `sku` and `name` in events: with all 2,000, a record could become too large."""


class OrderedLine(ProductQuantity):
    """A line as it was ordered. `unit_price` is in the minor unit of the order's currency."""

    unit_price: StrictInt
    sku: str | None = Field(default=None, description="of the first 50 lines, as the customer ordered it")
    name: str | None = Field(default=None, description="of the first 50 lines, as the customer ordered it")
    discount: StrictInt | None = Field(default=None, description="of all pieces; null: the order has none, nor tax")
    tax: StrictInt | None = Field(default=None, description="of all pieces; null: as `discount`")
    tax_rate: StrictInt | None = Field(default=None, description="in parts per million; null: as `discount`")
    total: StrictInt | None = Field(default=None, description="what is paid for all pieces; null: as `discount`")


class LackingLine(BaseModel, frozen=True):
    """A product that had too little stock, with its SKU and name when it was ordered."""

    product_id: UUID
    sku: str
    name: str
    requested: int
    available: int


class OrderPlaced(OrderEvent, type="mart.order.placed.v1", notifies_customer=True):
    """An order was placed; its stock is not reserved yet. Published by order. `total` is what is to be paid: the lines
    less discounts, with shipping and tax."""

    lines: list[OrderedLine]
    ship_to: Address | None = None
    discount: StrictInt | None = Field(default=None, description="in the total's currency; null: not known")
    shipping: StrictInt | None = Field(default=None, description="with its tax; null: not known")
    tax: StrictInt | None = Field(default=None, description="of lines and shipping; null: not known")


class OrderRejected(OrderEvent, type="mart.order.rejected.v1", notifies_customer=True):
    """The order has ended, since these products had too little stock; published by order."""

    lines: list[LackingLine]


class OrderAwaitingPayment(OrderEvent, type="mart.order.awaiting_payment.v1", notifies_customer=True):
    """The stock is reserved, and the order has to be paid by `pay_by`; published by order."""

    pay_by: AwareDatetime
    automatic_payment: bool = Field(
        default=False,
        description="no payment is needed: the order is free, paid already, or was placed with a payment token",
    )


class OrderPaid(OrderEvent, type="mart.order.paid.v1", notifies_customer=True):
    """The whole total was captured; published by order."""


class OrderCancelled(OrderEvent, type="mart.order.cancelled.v1", notifies_customer=True):
    """The order was cancelled by the customer, by staff, or because stock is missing; published by order."""

    reason: str | None = Field(default=None, description="shown to the customer; notes of staff are not published")


class OrderExpired(OrderEvent, type="mart.order.expired.v1", notifies_customer=True):
    """The order was not paid in time, and has ended; published by order."""


class OrderShipped(OrderEvent, type="mart.order.shipped.v1"):
    """A parcel was dispatched; published by order. `partial`: other parcels of the order follow."""

    partial: bool
    shipment_id: UUID
    carrier: str
    tracking_number: str


class OrderDelivered(OrderEvent, type="mart.order.delivered.v1"):
    """The last parcel was delivered; published by order."""


class OrderCompleted(OrderEvent, type="mart.order.completed.v1"):
    """The time in which goods could be returned is over; published by order."""


class OrderReturned(OrderEvent, type="mart.order.returned.v1"):
    """The order has ended, since all its goods were returned; published by order."""


class InvoiceIssued(OrderEvent, type="mart.invoice.issued.v1", subject="invoice_id", notifies_customer=True):
    """An invoice or a credit note was issued for the order; published by order. `total` is that of the document."""

    invoice_id: UUID
    invoice_number: str
    credit_note: bool
    link: str = Field(description="shows the document without a sign-in; it expires")


class ReturnEvent(OrderEvent):
    """The base class of events about a return."""

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
