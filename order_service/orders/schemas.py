"""Bodies of requests and responses about orders."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from contracts.address import Address
from contracts.money import Money
from order_service.base import MAX_LINES, MAX_QUANTITY
from order_service.orders.models import NOTE, Actor, FulfilmentStatus, HistoryEntry, PaymentStatus, Status
from order_service.pricing.lines import line_total
from order_service.pricing.promotions import MOST_CODES
from order_service.pricing.quotes import MAX_AMOUNT
from order_service.pricing.schemas import Code, OrderQuoteOut, quote_values
from service_kit.addresses import PostalAddress
from service_kit.database.summaries import SUMMARY_LINES
from service_kit.iso_codes import Currency
from service_kit.money import MoneyIn
from service_kit.schemas import RequestBody
from service_kit.text import Printable

PaymentMethod = Literal["bank_transfer"]


class UnitPrice(MoneyIn):
    amount: int = Field(ge=0, le=MAX_AMOUNT, description="in the currency's minor unit; never a float")


class Total(MoneyIn):
    amount: int = Field(ge=0, le=MAX_AMOUNT, description="in the currency's minor unit; never a float")


class ShipTo(PostalAddress):
    """The shipping address; later changes in the address book don't change it."""


class BillTo(PostalAddress):
    """The billing address: whom invoices are made out to."""


TaxIdNumber = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_upper=True, min_length=4, max_length=30),
    Printable,
    AfterValidator(lambda number: re.sub(r"[ ./-]", "", number)),
    Field(description="of a business, as in `/me/tax-id`: once it is valid, the business accounts for the tax"),
]


class TermsIn(RequestBody):
    """What the price depends on besides the lines."""

    codes: list[Code] | None = Field(
        default=None,
        max_length=MOST_CODES,
        description="each must take something off; absent: those in the cart",
    )
    shipping_method: str | None = Field(
        default=None, min_length=1, max_length=64, description="its code; absent: the first that is offered"
    )
    tax_id: TaxIdNumber | None = None


class LineIn(RequestBody):
    """The catalogue sets the price. `expected_unit_price`: what the customer saw; `agreed_unit_price`: staff only."""

    product_id: UUID
    quantity: int = Field(ge=1, le=MAX_QUANTITY)
    expected_unit_price: UnitPrice | None = None
    agreed_unit_price: UnitPrice | None = None


class OrderIn(TermsIn):
    """Either `lines`, or `from_cart`, which orders the caller's cart and empties it.

    A storefront should always send the `expected_total` that the customer saw, and for a cart its `cart_version`, so
    that customers never order other products, or at another price, than they saw.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "lines": [{"product_id": "0190f0c0-0000-7000-8000-000000000001", "quantity": 2}],
                "ship_to": {"name": "Ada King", "line1": "12 St James's Square", "city": "London", "country": "GB"},
            }
        }
    )

    lines: list[LineIn] | None = Field(default=None, min_length=1, max_length=MAX_LINES)
    from_cart: bool = False
    cart_version: int | None = Field(
        default=None, ge=0, le=2**63 - 1, description="with `from_cart`: any other version is rejected (`cart-changed`)"
    )
    expected_total: Total | None = Field(default=None, description="any other is rejected (`price-changed`)")
    ship_to: ShipTo
    bill_to: BillTo | None = Field(default=None, description="absent: the shipping address")
    customer_id: UUID | None = Field(default=None, description="staff: the customer to order for")
    currency: Currency | None = Field(default=None, description="if the products have prices in several")
    payment_token: str | None = Field(
        default=None, min_length=1, max_length=255, repr=False, description="charged once stock is reserved"
    )
    payment: PaymentMethod | None = Field(
        default=None,
        description="`bank_transfer`: the stock is held for days (`pay_by`), until staff record the money that arrived;"
        " the customer's transfer names the order's number. Absent: it is paid by card",
    )

    @model_validator(mode="after")
    def _one_source_of_lines(self) -> Self:
        if (self.lines is not None) == self.from_cart:
            raise ValueError("give either lines or from_cart")
        if self.from_cart and self.customer_id is not None:
            raise ValueError("from_cart orders the caller's own cart: it can't go with customer_id")
        if self.cart_version is not None and not self.from_cart:
            raise ValueError("cart_version goes with from_cart")
        if self.payment is not None and self.payment_token is not None:
            raise ValueError("payment_token pays by card: it can't go with payment")
        return self


class ShipToIn(RequestBody):
    ship_to: ShipTo


class CancelIn(RequestBody):
    """The customer sees `reason`: in the e-mail, in the order's history and with the refund."""

    reason: str | None = Field(default=None, max_length=500, description="for the customer")
    note: str | None = Field(default=None, max_length=500, description="only staff may write it, and only staff see it")


class LineOut(BaseModel):
    product_id: UUID
    sku: str
    name: str
    quantity: int
    unit_price: Money
    total: Money

    @classmethod
    def of(cls, line: Any, currency: str) -> "LineOut":
        return cls(**_line(line, currency))


class ParcelOut(BaseModel):
    id: UUID
    status: Literal["created", "dispatched", "delivered", "lost"] = Field(description="`created`: it is being packed")
    carrier: str | None
    tracking_number: str | None
    tracking_url: str | None = Field(description="the carrier's tracking page")


class OrderSummary(BaseModel):
    """An order in a list. `GET /orders/{id}` has all lines and the quote, `GET /orders/{id}/lines` a page of lines."""

    id: UUID
    number: str = Field(description="a short number for people to read")
    customer_id: UUID
    status: Status
    payment_status: PaymentStatus
    fulfilment_status: FulfilmentStatus
    line_count: int = Field(description="how many lines the order has")
    lines: list[LineOut] = Field(max_length=SUMMARY_LINES, description="the first five")
    total: Money
    ship_to: Address
    pay_by: datetime
    payment: PaymentMethod | None = Field(
        default=None, description="`bank_transfer`: the shop waits for a transfer that names the number"
    )
    created_at: datetime
    stuck_reason: str | None = Field(
        default=None, description="only for staff: the reason, if it waits too long for another service"
    )
    version: int
    parcels: list[ParcelOut] = Field(description="one from each warehouse that ships a part of it, after payment")

    @classmethod
    def of(
        cls,
        order: Any,
        lines: Sequence[Any],
        line_count: int | None = None,
        parcels: Sequence[Any] = (),
        *,
        for_staff: bool = False,
    ) -> Self:
        """Takes any objects that have the fields of an order, of its lines and of its parcels.

        `line_count` is needed if `lines` are not all of its lines.
        """
        count = len(lines) if line_count is None else line_count
        values = order_values(order, lines, count, parcels, for_staff=for_staff)
        return cls.model_validate(values, from_attributes=True)


class OrderOut(OrderSummary):
    """An order with all its lines, at most 2,000."""

    lines: list[LineOut]
    bill_to: Address | None = Field(description="null: the shipping address")
    quote: OrderQuoteOut

    @classmethod
    def of(
        cls,
        order: Any,
        lines: Sequence[Any],
        line_count: int | None = None,
        parcels: Sequence[Any] = (),
        *,
        for_staff: bool = False,
        adjustments: Sequence[Any] = (),
    ) -> Self:
        """As `OrderSummary.of`, with all lines, and what promotions took off them."""
        values = order_values(order, lines, len(lines), parcels, for_staff=for_staff)
        quote = quote_values(order, lines, order.shipping, adjustments)
        return cls.model_validate({**values, "bill_to": order.bill_to, "quote": quote}, from_attributes=True)


class HistoryOut(BaseModel):
    """One step of an order."""

    version: int
    at: datetime
    trigger: str
    from_status: Status | None
    to_status: Status
    actor: Actor
    actor_id: UUID | None
    reason: str | None
    note: str | None = Field(description="written by staff; only staff see it")
    details: dict[str, Any] | None

    @classmethod
    def of(cls, entry: HistoryEntry, *, for_staff: bool) -> "HistoryOut":
        details = dict(entry.details or {})
        note = details.pop(NOTE, None)
        shown = entry.model_dump(exclude={"details"})
        return cls(**shown, note=note if for_staff else None, details=details or None)


def order_values(
    order: Any, lines: Sequence[Any], line_count: int, parcels: Sequence[Any], *, for_staff: bool
) -> dict[str, Any]:
    """The fields of an OrderSummary, in the same sequence. `placing` sends them without validation."""
    return {
        "id": order.id,
        "number": str(order.number),
        "customer_id": order.customer_id,
        "status": order.status,
        "payment_status": order.payment_status,
        "fulfilment_status": order.fulfilment_status,
        "line_count": line_count,
        "lines": [_line(line, order.currency) for line in lines],
        "total": {"amount": order.total, "currency": order.currency},
        "ship_to": order.ship_to,
        "pay_by": order.pay_by,
        "payment": order.payment,
        "created_at": order.created_at,
        "stuck_reason": order.stuck_reason if for_staff else None,
        "version": order.version,
        "parcels": parcels,
    }


def _line(line: Any, currency: str) -> dict[str, Any]:
    return {
        "product_id": line.product_id,
        "sku": line.sku,
        "name": line.name,
        "quantity": line.quantity,
        "unit_price": {"amount": line.unit_price, "currency": currency},
        "total": {"amount": line_total(line), "currency": currency},
    }
