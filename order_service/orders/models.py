"""An order, and the one table that says what may become of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from order_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem


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
"""Ends that keep no money: whatever was captured, or still arrives, goes back."""

ENDS = UNWANTED | {Status.COMPLETED, Status.RETURNED}
"""Only what is completed may still be returned: what was asked for within the window may come back after it."""

BEFORE_PAID = frozenset({Status.PENDING, Status.AWAITING_PAYMENT})
"""Nothing was asked to be sent yet, and there is no way back here."""


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


class Trigger(StrEnum):
    """What can happen to an order: commands of people, answers of inventory, money, parcels, and time."""

    CANCEL = "cancel"
    CHANGE_SHIP_TO = "change ship_to"
    RESERVATION_ACCEPTED = "reservation.accepted"
    RESERVATION_REJECTED = "reservation.rejected"
    RESERVATION_EXPIRED = "reservation.expired"
    RESERVATION_RELEASED = "reservation.released"
    RELEASE_REFUSED = "release.refused"
    CAPTURED_IN_PART = "captured in part"
    CAPTURED_IN_FULL = "captured in full"
    SHIPMENT_CREATED = "shipment.created"
    SHIPMENT_DISPATCHED = "shipment.dispatched"
    LAST_SHIPMENT_DISPATCHED = "last shipment.dispatched"
    SHIPMENT_DELIVERED = "shipment.delivered"
    LAST_SHIPMENT_DELIVERED = "last shipment.delivered"
    SHIPMENT_LOST = "shipment.lost"
    EVERY_SHIPMENT_LOST = "every shipment.lost"
    SHIPMENT_CORRECTED = "shipment.corrected"
    PAY_BY_PASSED = "pay_by passed"
    RETURN_WINDOW_OVER = "return window over"
    RETURN_REQUESTED = "return.requested"
    RETURN_APPROVED = "return.approved"
    RETURN_REFUSED = "return.refused"
    RETURN_WITHDRAWN = "return.withdrawn"
    RETURN_RECEIVED = "return.received"
    RETURN_CLOSED = "return.closed"
    LAST_RETURN_RECEIVED = "last return.received"
    REFUNDED_IN_FULL = "refunded in full"
    REFUND_STANDS = "refund stands"
    REFUND_FAILED = "refund failed"


COMMANDS = frozenset(
    {
        Trigger.CANCEL,
        Trigger.CHANGE_SHIP_TO,
        Trigger.RETURN_REQUESTED,
        Trigger.RETURN_APPROVED,
        Trigger.RETURN_REFUSED,
        Trigger.RETURN_WITHDRAWN,
    }
)


class Said(StrEnum):
    """What a transition publishes."""

    AWAITING_PAYMENT = "order.awaiting_payment"
    REJECTED = "order.rejected"
    PAID = "order.paid"
    EXPIRED = "order.expired"
    CANCELLED = "order.cancelled"
    SHIPPED = "order.shipped"
    DELIVERED = "order.delivered"
    COMPLETED = "order.completed"
    RETURNED = "order.returned"
    RETURN_REQUESTED = "return.requested"
    RETURN_APPROVED = "return.approved"
    RETURN_REFUSED = "return.refused"
    RELEASE = "release.requested"
    FULFIL = "fulfilment.requested"
    EXPECT_RETURN = "return.expected"
    REFUNDED = "fulfilment.refunded"
    """Or no more, as the order's money says."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`to` None: the status stays. `refund`: whatever was captured goes back."""

    to: Status | None
    says: tuple[Said, ...] = ()
    refund: bool = False
    by_shipments: bool = False
    """To `paid`, `partially_shipped` or `shipped`, as the shipments say."""


_STAYS = Rule(None)
_RELEASED_AGAIN = Rule(None, (Said.RELEASE,))
_TOO_LATE_FOR_MONEY = Rule(None, refund=True)
_TAKEN_BACK = Rule(None, (Said.RETURN_APPROVED, Said.EXPECT_RETURN))
_ALL_CAME_BACK = Rule(Status.RETURNED, (Said.RETURNED,))

_ALL_LOST = Rule(Status.CANCELLED, (Said.CANCELLED,), refund=True)

S, T = Status, Trigger

SOME_ARRIVED = (S.PARTIALLY_SHIPPED, S.SHIPPED, S.DELIVERED)
"""Or may have: which of the parcels have is another question."""
RETURNABLE = (*SOME_ARRIVED, S.COMPLETED)

RULES: dict[tuple[Status, Trigger], Rule] = {
    # Commands. What is absent is refused.
    (S.PENDING, T.CHANGE_SHIP_TO): _STAYS,
    (S.AWAITING_PAYMENT, T.CHANGE_SHIP_TO): _STAYS,
    (S.PENDING, T.CANCEL): Rule(S.CANCELLED, (Said.CANCELLED, Said.RELEASE), refund=True),
    (S.AWAITING_PAYMENT, T.CANCEL): Rule(S.CANCELLED, (Said.CANCELLED, Said.RELEASE), refund=True),
    (S.PAID, T.CANCEL): Rule(S.CANCELLING, (Said.RELEASE,)),
    **{(status, T.RETURN_REQUESTED): Rule(None, (Said.RETURN_REQUESTED,)) for status in SOME_ARRIVED},
    **{(status, T.RETURN_APPROVED): _TAKEN_BACK for status in RETURNABLE},
    **{(status, T.RETURN_REFUSED): Rule(None, (Said.RETURN_REFUSED,)) for status in RETURNABLE},
    **{(status, T.RETURN_WITHDRAWN): _STAYS for status in RETURNABLE},
    # Events and time. What is absent changes nothing, and stands in the history.
    (S.PENDING, T.RESERVATION_ACCEPTED): Rule(S.AWAITING_PAYMENT, (Said.AWAITING_PAYMENT,)),
    (S.PENDING, T.RESERVATION_REJECTED): Rule(S.REJECTED, (Said.REJECTED,), refund=True),
    (S.AWAITING_PAYMENT, T.CAPTURED_IN_FULL): Rule(S.PAID, (Said.PAID, Said.FULFIL)),
    (S.AWAITING_PAYMENT, T.PAY_BY_PASSED): Rule(S.EXPIRED, (Said.EXPIRED, Said.RELEASE), refund=True),
    (S.CANCELLING, T.RESERVATION_RELEASED): Rule(S.CANCELLED, (Said.CANCELLED,), refund=True),
    (S.CANCELLING, T.RELEASE_REFUSED): Rule(None, by_shipments=True),
    (S.CANCELLING, T.RESERVATION_REJECTED): Rule(S.CANCELLED, (Said.CANCELLED,), refund=True),
    (S.PAID, T.RESERVATION_REJECTED): Rule(S.CANCELLED, (Said.CANCELLED,), refund=True),
    (S.PAID, T.SHIPMENT_DISPATCHED): Rule(S.PARTIALLY_SHIPPED, (Said.SHIPPED,)),
    (S.PARTIALLY_SHIPPED, T.SHIPMENT_DISPATCHED): Rule(None, (Said.SHIPPED,)),
    (S.PAID, T.LAST_SHIPMENT_DISPATCHED): Rule(S.SHIPPED, (Said.SHIPPED,)),
    (S.PARTIALLY_SHIPPED, T.LAST_SHIPMENT_DISPATCHED): Rule(S.SHIPPED, (Said.SHIPPED,)),
    (S.SHIPPED, T.LAST_SHIPMENT_DELIVERED): Rule(S.DELIVERED, (Said.DELIVERED,)),
    (S.DELIVERED, T.RETURN_WINDOW_OVER): Rule(S.COMPLETED, (Said.COMPLETED,)),
    **{(status, trigger): _STAYS for status in RETURNABLE for trigger in (T.RETURN_RECEIVED, T.RETURN_CLOSED)},
    # A lost parcel counts as ended, and its lines are refunded. An order of which every parcel is lost has brought
    # nothing: it is cancelled, and all of its money goes back.
    **{(status, T.SHIPMENT_LOST): _STAYS for status in (S.PARTIALLY_SHIPPED, S.SHIPPED)},
    **{(status, T.EVERY_SHIPMENT_LOST): _ALL_LOST for status in (S.PAID, S.PARTIALLY_SHIPPED, S.SHIPPED)},
    **{(status, T.LAST_RETURN_RECEIVED): _ALL_CAME_BACK for status in (S.DELIVERED, S.COMPLETED)},
    # All that was paid goes back: the order is cancelled, unless inventory says that a parcel has left meanwhile; then
    # the warehouse is warned of the others.
    (S.PAID, T.REFUNDED_IN_FULL): Rule(S.CANCELLING, (Said.RELEASE,)),
    (S.PARTIALLY_SHIPPED, T.REFUNDED_IN_FULL): Rule(None, (Said.REFUNDED,)),
    **{(status, T.REFUND_STANDS): Rule(None, (Said.REFUNDED,)) for status in (S.PAID, S.PARTIALLY_SHIPPED)},
    **{(status, T.REFUND_FAILED): Rule(None, (Said.REFUNDED,)) for status in (S.PAID, S.PARTIALLY_SHIPPED)},
    # Arrived though its dispatch was never heard of (a dead letter that staff discarded).
    (S.PAID, T.LAST_SHIPMENT_DELIVERED): Rule(S.DELIVERED, (Said.DELIVERED,)),
    (S.PARTIALLY_SHIPPED, T.LAST_SHIPMENT_DELIVERED): Rule(S.DELIVERED, (Said.DELIVERED,)),
    # Too late, and made good.
    (S.REJECTED, T.RESERVATION_ACCEPTED): _RELEASED_AGAIN,
    (S.CANCELLED, T.RESERVATION_ACCEPTED): _RELEASED_AGAIN,
    (S.EXPIRED, T.RESERVATION_ACCEPTED): _RELEASED_AGAIN,
    **{(end, T.CAPTURED_IN_PART): _TOO_LATE_FOR_MONEY for end in UNWANTED},
    **{(end, T.CAPTURED_IN_FULL): _TOO_LATE_FOR_MONEY for end in UNWANTED},
}


class TransitionRefused(Problem, status=409, type="order-transition-refused"):
    """The order is {order_status} by now, and then this can't be done: {trigger}."""


def rule_for(status: Status, trigger: Trigger) -> Rule:
    """Raises: TransitionRefused, for a command that doesn't fit. An event always has a rule."""
    rule = RULES.get((status, trigger))
    if rule is None and trigger in COMMANDS:
        raise TransitionRefused(order_status=str(status), trigger=str(trigger))
    return rule or _STAYS


class Actor(StrEnum):
    CUSTOMER = "customer"
    STAFF = "staff"
    INVENTORY = "inventory"
    PAYMENTS = "payments"
    CLOCK = "clock"


def payment_status(total: int, captured: int, refunded: int) -> PaymentStatus:
    """From what was captured and given back. A second capture that went back leaves the order paid."""
    kept = captured - refunded
    if captured and kept <= 0:
        return PaymentStatus.REFUNDED
    if kept >= total:
        return PaymentStatus.PAID
    if refunded:
        return PaymentStatus.PARTIALLY_REFUNDED
    return PaymentStatus.PARTIALLY_PAID if captured else PaymentStatus.UNPAID


OWES_ALONE = "uq_orders_owes_alone"


class Order(Base, table=True):
    """`number` is the short one for people; `version` grows with every entry of the history and every event.

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
            OWES_ALONE, "customer_id", "owes_alone", unique=True, postgresql_where=text("client_address IS NOT NULL")
        ),
        Index("ix_orders_unpaid_address", "client_address", postgresql_where=text("client_address IS NOT NULL")),
        Index("ix_orders_stuck_reason", "id", postgresql_where=text("stuck_reason IS NOT NULL")),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    number: int = Field(sa_column=Column(BigInteger, Identity(start=100_001), nullable=False, unique=True))
    customer_id: UUID
    status: str
    fulfilment_status: str
    currency: str
    total: int = Field(sa_type=BigInteger)
    captured: int = Field(default=0, sa_type=BigInteger)
    refunded: int = Field(default=0, sa_type=BigInteger)
    refunding: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    pay_by: datetime
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

    `discount` and `tax` are of all its pieces together; the tax comes on top of what the discount leaves.
    """

    __tablename__ = "order_lines"

    order_id: UUID = Field(primary_key=True)
    position: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    product_id: UUID
    sku: str
    name: str
    quantity: int
    unit_price: int = Field(sa_type=BigInteger)
    discount: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    tax: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})


NOTE = "note"
"""The member of a history entry's `details` with what staff have noted: shown to staff alone, and never published."""


class HistoryEntry(Base, table=True):
    """One step of an order: what, when, by whom and why (for the customer). `version` is the order's after it."""

    __tablename__ = "order_history"

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
