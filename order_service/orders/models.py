"""Orders, their lines, history and parcels: the tables, and the words that stand in them."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity, Index, SmallInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from order_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7


class Status(StrEnum):
    PENDING = "pending"
    AWAITING_PAYMENT = "awaiting_payment"
    PAID = "paid"
    CANCELLING = "cancelling"
    PARTIALLY_SHIPPED = "partially_shipped"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    COMPLETED = "completed"
    RETURNED = "returned"


UNWANTED = frozenset({Status.REJECTED, Status.CANCELLED, Status.EXPIRED})
"""Final states that keep no money: all that was captured, or still arrives, is refunded."""

ENDS = UNWANTED | {Status.COMPLETED, Status.RETURNED}
"""Only what is completed may still be returned: what was asked for within the window may come back after it."""

BEFORE_PAID = frozenset({Status.PENDING, Status.AWAITING_PAYMENT})
"""No shipment was requested yet; no transition leads back here."""


class PaymentStatus(StrEnum):
    UNPAID = "unpaid"
    PARTIALLY_PAID = "partially_paid"
    PAID = "paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"


class FulfilmentStatus(StrEnum):
    UNFULFILLED = "unfulfilled"
    PREPARING = "preparing"
    PARTIALLY_SHIPPED = "partially_shipped"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    LOST = "lost"


class ShipmentStatus(StrEnum):
    """In the order in which a parcel goes through them. What is lost has come to its end, like what is delivered."""

    CREATED = "created"
    DISPATCHED = "dispatched"
    DELIVERED = "delivered"
    LOST = "lost"


class Actor(StrEnum):
    CUSTOMER = "customer"
    STAFF = "staff"
    INVENTORY = "inventory"
    PAYMENTS = "payments"
    CLOCK = "clock"


def payment_status(total: int, captured: int, refunded: int) -> PaymentStatus:
    """From what was captured and refunded. A second capture that was refunded leaves the order paid."""
    net_paid = captured - refunded
    if captured and net_paid <= 0:
        return PaymentStatus.REFUNDED
    if net_paid >= total:
        return PaymentStatus.PAID
    if refunded:
        return PaymentStatus.PARTIALLY_REFUNDED
    return PaymentStatus.PARTIALLY_PAID if captured else PaymentStatus.UNPAID


PAYMENT_STATUS = "payment_status(total, captured, refunded)"
"""`payment_status` in SQL; an index has it, for searches. Migration 0111 creates the function."""
ONE_UNPAID = "uq_orders_owes_alone"


class Order(Base, table=True):
    """`number` is the short one for humans; `version` grows with every entry of the history and every event.

    `captured` and `refunded` are all that arrived and all that went back, `refunding` what is on its way back;
    `fulfilment_status` is what its shipments come to.
    """

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_customer_id_id", "customer_id", "id"),
        Index("ix_orders_status_id", "status", "id"),
        Index("ix_orders_pay_by", "pay_by", postgresql_where=text("status = 'awaiting_payment'")),
        Index("ix_orders_delivered_at", "delivered_at", postgresql_where=text("status = 'delivered'")),
        Index(
            ONE_UNPAID, "customer_id", "owes_alone", unique=True, postgresql_where=text("client_address IS NOT NULL")
        ),
        Index("ix_orders_unpaid_address", "client_address", postgresql_where=text("client_address IS NOT NULL")),
        # Only of the rare ones, so that an order usually has no entry: the others are found by walking through the ids.
        Index(
            "ix_orders_payment_status",
            text(PAYMENT_STATUS),
            "id",
            postgresql_where=text(f"{PAYMENT_STATUS} NOT IN ('paid', 'unpaid')"),
        ),
        Index("ix_orders_stuck_reason", "id", postgresql_where=text("stuck_reason IS NOT NULL")),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    number: int = Field(sa_column=Column(BigInteger, Identity(start=100_001), nullable=False, unique=True))
    customer_id: UUID
    status: str
    fulfilment_status: str
    currency: str
    total: int = Field(sa_type=BigInteger)
    discount: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    tax: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    prices_include_tax: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    shipping: dict[str, Any] | None = Field(
        default=None,
        sa_column=Column(JSONB(none_as_null=True)),
        description="the chosen method and its price; null: shipping was free",
    )
    tax_note: str | None = Field(default=None, description="why the order has no tax, as `pricing.tax.TaxNote`")
    tax_id: str | None = Field(default=None, description="of a business that accounts for the tax itself")
    bill_to: dict[str, Any] | None = Field(
        default=None,
        sa_column=Column(JSONB(none_as_null=True)),
        description="null: the bill goes to the shipping address",
    )
    redeemed: int = Field(
        default=0, sa_type=SmallInteger, sa_column_kwargs={"server_default": "0"}, description="redeemed codes"
    )
    captured: int = Field(default=0, sa_type=BigInteger)
    refunded: int = Field(default=0, sa_type=BigInteger)
    refunding: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    pay_by: datetime
    payment: str | None = Field(default=None, description="how its customer said it would be paid; null: by card")
    ship_to: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = Field(default_factory=utcnow)
    status_since: datetime
    delivered_at: datetime | None = None
    stuck_reason: str | None = Field(
        default=None, description="why it waits, as the job found that detects stuck orders"
    )
    client_address: str | None = Field(
        default=None,
        description="whom the limits on unpaid orders count it for; null: nobody (any more), since it is paid or ended,"
        " or was placed by staff",
    )
    owes_alone: bool | None = Field(
        default=None,
        description="true: placed when its account held nothing unpaid; while one such is unpaid there is no second",
    )
    version: int = Field(sa_type=BigInteger)

    @property
    def payment_status(self) -> PaymentStatus:
        return payment_status(self.total, self.captured, self.refunded)


# No foreign keys from here to orders: lines and history are written in the very statement that writes the order, and
# neither is ever deleted; a check of each line would cost the hot path a tenth.


class OrderLine(Base, table=True):
    """A line as it was ordered: product, words and price stay what they were then.

    `discount`, `tax` and `total` are of all its pieces together; `tax_rate` is in parts per million. `total` None: the
    line is older than this column, and its tax comes on top of what the discount leaves.
    """

    __tablename__ = "order_lines"
    __table_args__ = (Index("ix_order_lines_product_id_order_id", "product_id", "order_id"),)

    order_id: UUID = Field(primary_key=True)
    position: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    product_id: UUID
    sku: str
    name: str
    quantity: int
    unit_price: int = Field(sa_type=BigInteger)
    discount: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    tax: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    tax_rate: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    total: int | None = Field(default=None, sa_type=BigInteger)


class OrderAdjustment(Base, table=True):
    """What a promotion took off a line, by its position; 0: off the shipping."""

    __tablename__ = "order_adjustments"

    order_id: UUID = Field(primary_key=True)
    position: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    promotion_id: UUID = Field(primary_key=True)
    code: str | None = None
    amount: int = Field(sa_type=BigInteger)


NOTE = "note"
"""The member of a history entry's `details` with what staff have noted: shown to staff alone, and never published."""


class HistoryEntry(Base, table=True):
    """One step of an order: what, when, by whom and why (for the customer). `version` is the order's after it."""

    __tablename__ = "order_history"
    __table_args__ = (
        Index(
            "ix_order_history_paid_at",
            "at",
            postgresql_where=text("to_status = 'paid' AND from_status IN ('pending', 'awaiting_payment')"),
        ),
    )

    order_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    at: datetime
    trigger: str
    from_status: str | None
    to_status: str
    actor: str
    actor_id: UUID | None
    reason: str | None
    details: dict[str, Any] | None = Field(sa_column=Column(JSONB))


class OrderShipment(Base, table=True):
    """A parcel of an order, as inventory last spoke of it; its lines once it has arrived, or is lost."""

    __tablename__ = "order_shipments"

    id: UUID = Field(primary_key=True)
    order_id: UUID = Field(index=True)
    status: str
    shipments_of_order: int
    carrier: str | None
    tracking_number: str | None
    tracking_url: str | None = None
    lines: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(JSONB))
    version: int = Field(sa_type=BigInteger)


class PaymentToken(Base, table=True):
    """A token that pays its order as soon as stock is reserved, or that its pending payment is charged with; deleted
    after use, or when the order ends."""

    __tablename__ = "payment_tokens"

    order_id: UUID = Field(primary_key=True)
    token: str
    created_at: datetime = Field(default_factory=utcnow)
    traceparent: str | None = Field(default=None, description="of the request that brought it")
