"""Payments, refunds, and their rules, without access to a database or a gateway."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from contracts.money import Money
from order_service.base import Base
from order_service.orders.lifecycle import Cause
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem
from service_kit.telemetry.tracing import current_traceparent


class PaymentState(StrEnum):
    """The state of a payment, independent of its gateway's terms.

    A report applies only if its state comes later in this order. So late, duplicate and reordered reports end in the
    same state; `succeeded` is final; and money that arrives for a payment that was given up or cancelled still counts.
    `failed` comes before `voided`, since a payment that we gave up may turn out to be authorised; then it is cancelled.
    """

    PENDING = "pending"
    ACTION_REQUIRED = "action_required"
    AUTHORISED = "authorised"
    FAILED = "failed"
    VOIDED = "voided"
    SUCCEEDED = "succeeded"

    def accepts(self, reported: "PaymentState") -> bool:
        """Whether a report changes the state. One that does not change it now will not change it later either."""
        return ORDER.index(reported) > ORDER.index(self)

    @property
    def is_open(self) -> bool:
        """Whether it may still be charged. An order has at most one open payment."""
        return self in OPEN


ORDER = tuple(PaymentState)
OPEN = (PaymentState.PENDING, PaymentState.ACTION_REQUIRED, PaymentState.AUTHORISED)


def _status_in(states: Iterable[PaymentState]) -> str:
    return f"status IN ({', '.join(repr(state.value) for state in states)})"


IS_OPEN = _status_in(OPEN)
"""`is_open`, in SQL."""


class RefundState(StrEnum):
    """The state of a refund. `failed` becomes `succeeded` if the refund was made after all."""

    REQUESTED = "requested"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


BANK_TRANSFER = "bank_transfer"
"""The `gateway` of payments that staff record. No gateway is called about them; staff make their refunds by hand."""


class NotAwaitingPayment(Problem, status=409, type="order-not-awaiting-payment"):
    """The order is {order_status}: it can be paid only while it is awaiting_payment."""


class PaymentUnderWay(Problem, status=409, type="payment-under-way"):
    """Another payment of this order is under way: wait for its outcome."""


class NothingToPay(Problem, status=409, type="nothing-to-pay"):
    """Nothing is left to pay for this order."""


class RefundTooHigh(Problem, status=409, type="refund-too-high"):
    """{wanted} was to be refunded; {left} is left of what was captured and not refunded yet."""


class NothingToRefund(Problem, status=409, type="nothing-to-refund"):
    """Nothing that was captured is left to refund."""


class PaymentOfAnother(Problem, status=409, type="payment-of-another"):
    """Payment {payment_id} belongs to another order or payment system than {source} says."""


class TransferRecorded(Problem, status=409, type="bank-transfer-recorded"):
    """A bank transfer with the reference {reference} is recorded already: the same money is never booked twice."""


class RefundNotByHand(Problem, status=409, type="refund-not-by-hand"):
    """Refund {refund_id} is made by the payment gateway {gateway}, which reports its result: staff can't decide it."""


class RefundDecided(Problem, status=409, type="refund-decided"):
    """The refund is {refund_status} already."""


class RefundReferenceInUse(Problem, status=409, type="refund-reference-in-use"):
    """Another refund has the reference {reference}: give the reference of the transfer that paid this one."""


def gateway_key(operation: Literal["payment", "capture", "cancel", "refund"], id: UUID) -> str:
    """The idempotency key of an operation on a payment or refund, the same in every call and process. `payment` makes
    the charge."""
    return f"{operation}-{id}"


class Payment(Base, table=True):
    """One attempt to collect an order's money, by one charge. `gateway`: the one that we call, or the outside system
    that reported it.

    `call_until`: until then a process may be calling the gateway about it, and no other does, so that a charge in
    progress is never mistaken for one that was never made. `check_at`: when the reconciler checks it next.
    """

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint(_status_in(PaymentState), name="status"),
        Index("ix_payments_order_id", "order_id"),
        Index("ix_payments_created_at_id", "created_at", "id"),
        Index("uq_payments_gateway_charge", "gateway", "gateway_charge_id", unique=True),
        # One open payment per order, so that a double click never charges it twice.
        Index("uq_payments_open", "order_id", unique=True, postgresql_where=text(IS_OPEN)),
        Index("ix_payments_tried_user", "customer_id", "created_at", postgresql_where=text("status <> 'succeeded'")),
        Index(
            "ix_payments_tried_address",
            *("client_address", "created_at"),
            postgresql_where=text("client_address IS NOT NULL"),
        ),
        Index("ix_payments_check_at", "check_at", postgresql_where=text(IS_OPEN)),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    order_id: UUID = Field(foreign_key="orders.id")
    customer_id: UUID
    amount: int = Field(sa_type=BigInteger)
    currency: str
    status: str = Field(default=PaymentState.PENDING, sa_type=Text)
    gateway: str
    gateway_charge_id: str | None = None
    opened_by: UUID | None = Field(default=None, description="null: opened by the order's token, or outside")
    request_key: str | None = Field(default=None, description="the Idempotency-Key that it was opened with")
    failure_reason: str | None = None
    version: int = 1
    call_until: datetime = Field(default_factory=utcnow)
    check_at: datetime = Field(default_factory=utcnow)
    created_at: datetime = Field(default_factory=utcnow)
    settled_at: datetime | None = None
    client_address: str | None = Field(default=None, description="for an hour; null for staff, or unknown")
    action_type: str | None = Field(default=None, description="what the customer must do, while it is action_required")
    action_url: str | None = None

    @property
    def is_open(self) -> bool:
        return PaymentState(self.status).is_open

    def settle(self, report: "ChargeReport", now: datetime) -> bool:
        """Applies a report on the charge; returns whether it changed anything. Late and duplicate ones don't."""
        self.gateway_charge_id = self.gateway_charge_id or report.charge_id
        changed = PaymentState(self.status).accepts(report.state)
        if changed:
            self.status = report.state
            self.failure_reason = report.reason if report.state is PaymentState.FAILED else None
            self.action_type, self.action_url = report.action or (None, None)
            self.version += 1
            if not self.is_open:
                self.settled_at = now
            if report.state is PaymentState.AUTHORISED:
                self.check_at = now  # the reconciler captures or cancels it
            if report.state is PaymentState.SUCCEEDED:
                self.amount, self.currency = report.amount, report.currency
        return changed


class Refund(Base, table=True):
    """A refund of a payment, in part or in full. `requested_by` None: automatic, or begun at the gateway."""

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("status IN ('requested', 'succeeded', 'failed')", name="status"),
        Index("ix_refunds_payment_id", "payment_id"),
        Index("ix_refunds_order_id", "order_id"),
        Index("ix_refunds_created_at_id", "created_at", "id"),
        Index("uq_refunds_gateway_refund", "gateway", "gateway_refund_id", unique=True),
        Index("ix_refunds_settled_at", "settled_at", postgresql_where=text("status = 'succeeded'")),
        Index("ix_refunds_due", "gateway", "next_attempt_at", postgresql_where=text("status = 'requested'")),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    payment_id: UUID = Field(foreign_key="payments.id")
    order_id: UUID = Field(foreign_key="orders.id")
    amount: int = Field(sa_type=BigInteger)
    currency: str
    status: str = Field(default=RefundState.REQUESTED, sa_type=Text)
    reason: str | None = None
    requested_by: UUID | None = None
    gateway: str
    gateway_refund_id: str | None = None
    failure_reason: str | None = None
    attempts: int = 0
    next_attempt_at: datetime = Field(default_factory=utcnow)
    created_at: datetime = Field(default_factory=utcnow)
    settled_at: datetime | None = None
    return_id: UUID | None = Field(default=None, description="the return whose price it refunds")
    note: str | None = Field(default=None, description="for staff alone; `reason` is for the customer")
    traceparent: str | None = Field(default_factory=current_traceparent, description="of what requested it")
    pieces: list[dict[str, Any]] | None = Field(
        default=None,
        sa_column=Column(JSONB(none_as_null=True)),
        description="of lines, which it pays for: `position`, the pieces that were refunded `before`, and `quantity`",
    )

    def settle(self, report: "RefundReport", now: datetime) -> bool:
        """Applies a report on the refund; returns whether it changed anything. Late and duplicate ones don't."""
        changed = self.status != RefundState.SUCCEEDED and self.status != report.state != RefundState.REQUESTED
        if changed:
            self.status, self.settled_at = report.state, now
            self.gateway_refund_id = self.gateway_refund_id or report.reference
            self.failure_reason = report.reason if report.state is RefundState.FAILED else None
        return changed


def money(of: Payment | Refund) -> Money:
    return Money(amount=of.amount, currency=of.currency)


@dataclass(frozen=True, slots=True)
class ChargeReport:
    """A report by a gateway or an outside payment system about one charge."""

    payment_id: UUID
    order_id: UUID
    gateway: str
    state: PaymentState
    amount: int
    currency: str
    charge_id: str | None = None
    reason: str | None = None
    traceparent: str | None = None
    """Of the request or the event that contained the report."""
    action: tuple[str, str] | None = None
    """Type and URL of what the customer must do."""
    cause: Cause | None = None
    """Who recorded the payment and why, for the order's history; None: the payment system."""


@dataclass(frozen=True, slots=True)
class RefundReport:
    """A report by a gateway or an outside payment system about one refund; `refund_id` None: it began there."""

    refund_id: UUID | None
    payment_id: UUID
    order_id: UUID
    gateway: str
    state: RefundState
    amount: int
    currency: str
    reference: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """All payments and refunds of one order; complete, and unchanging while the order is locked."""

    payments: list[Payment]
    refunds: list[Refund]

    def payment(self, id: UUID) -> Payment | None:
        return next((payment for payment in self.payments if payment.id == id), None)

    def refund(self, report: RefundReport) -> Refund | None:
        """The refund that a report is about, by our id or, if it began at the gateway, by the gateway's id."""
        for refund in self.refunds:
            if refund.id == report.refund_id:
                return refund
            if report.reference and (refund.gateway, refund.gateway_refund_id) == (report.gateway, report.reference):
                return refund
        return None

    def left(self, payment: Payment) -> int:
        """How much of a payment can still be refunded: pending refunds count as made."""
        if payment.status != PaymentState.SUCCEEDED:
            return 0
        gone = sum(r.amount for r in self.refunds if r.payment_id == payment.id and r.status != RefundState.FAILED)
        return max(payment.amount - gone, 0)

    def left_in(self, currency: str) -> int:
        """How much of all payments in this currency can still be refunded."""
        return sum(self.left(payment) for payment in self.payments if payment.currency == currency)

    def captured(self, currency: str) -> int:
        """The amount captured in the order's currency; money in another one can't pay for the order."""
        return sum(p.amount for p in self.payments if p.status == PaymentState.SUCCEEDED and p.currency == currency)

    def refunded(self, currency: str) -> int:
        """The amount that was refunded."""
        return self._refunds(RefundState.SUCCEEDED, currency)

    def refunding(self, currency: str) -> int:
        """The amount whose refund is pending."""
        return self._refunds(RefundState.REQUESTED, currency)

    def is_refunded(self, return_id: UUID) -> bool:
        """Whether all refunds of a return have succeeded."""
        return all(r.status == RefundState.SUCCEEDED for r in self.refunds if r.return_id == return_id)

    def _refunds(self, state: RefundState, currency: str) -> int:
        return sum(r.amount for r in self.refunds if r.status == state and r.currency == currency)

    def spread(self, amount: int | None, currency: str | None = None) -> list[tuple[Payment, int]]:
        """Divides a refund of `amount` (None: all that is left) among the payments (in this currency; None: any), the
        latest first. Raises: RefundTooHigh."""
        left = {payment.id: self.left(payment) * (currency in (None, payment.currency)) for payment in self.payments}
        wanted = sum(left.values()) if amount is None else amount
        if wanted > sum(left.values()):
            raise RefundTooHigh(wanted=wanted, left=sum(left.values()))
        parts = []
        for payment in sorted(self.payments, key=lambda p: p.settled_at or p.created_at, reverse=True):
            if part := min(wanted, left[payment.id]):
                parts.append((payment, part))
                wanted -= part
        return parts
