"""Payments, refunds, and the rules that hold on them: nothing here asks a database or a gateway."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, text
from sqlmodel import Field

from contracts.money import Money
from order_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem


class PaymentState(StrEnum):
    """How far a payment has come, whatever its gateway calls that.

    A report counts if it leads further in this order, and else changes nothing. So late, repeated and reordered reports
    end in the same state; `succeeded` never turns back; and money that arrives for a payment that was given up or
    cancelled counts after all. `failed` comes before `voided`, since a payment that we gave up may turn out to have
    been authorised, and is cancelled then.
    """

    PENDING = "pending"
    ACTION_REQUIRED = "action_required"
    AUTHORISED = "authorised"
    FAILED = "failed"
    VOIDED = "voided"
    SUCCEEDED = "succeeded"

    def accepts(self, reported: "PaymentState") -> bool:
        """Whether a report changes anything. What is none now will be none later."""
        return ORDER.index(reported) > ORDER.index(self)

    @property
    def is_open(self) -> bool:
        """Whether it may still take the money. An order has at most one such payment."""
        return self in OPEN


ORDER = tuple(PaymentState)
OPEN = (PaymentState.PENDING, PaymentState.ACTION_REQUIRED, PaymentState.AUTHORISED)


def _status_in(states: Iterable[PaymentState]) -> str:
    return f"status IN ({', '.join(repr(state.value) for state in states)})"


IS_OPEN = _status_in(OPEN)
"""The same in SQL."""


class RefundState(StrEnum):
    """What became of a refund. One that was made after all turns `failed` into `succeeded`."""

    REQUESTED = "requested"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


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


def gateway_key(operation: Literal["payment", "capture", "cancel", "refund"], id: UUID) -> str:
    """The idempotency key of what a gateway does for a payment (or for a refund, by the refund's id), however often and
    by whomever it is asked; `payment` makes the charge."""
    return f"{operation}-{id}"


class Payment(Base, table=True):
    """Money that was asked for once, by one charge. `gateway`: the one we ask, or the outside system that reported it.

    `call_until`: somebody is asking the gateway about it, until then at most; so that a charge that may still be under
    way is never taken for one that was never made. `check_at`: when the reconciler looks at it next.
    """

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint(_status_in(PaymentState), name="status"),
        Index("ix_payments_order_id", "order_id"),
        Index("ix_payments_created_at_id", "created_at", "id"),
        Index("uq_payments_gateway_charge", "gateway", "gateway_charge_id", unique=True),
        # One at a time, so that two cards are never charged for one order by a double click.
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
    opened_by: UUID | None = Field(default=None, description="nobody: by the order's own token, or outside")
    request_key: str | None = Field(default=None, description="the Idempotency-Key that it was opened with")
    failure_reason: str | None = None
    version: int = 1
    call_until: datetime = Field(default_factory=utcnow)
    check_at: datetime = Field(default_factory=utcnow)
    created_at: datetime = Field(default_factory=utcnow)
    settled_at: datetime | None = None
    client_address: str | None = Field(default=None, description="who tried to pay, for an hour; null: staff, or none")
    action_type: str | None = Field(default=None, description="what the customer must do, while it is action_required")
    action_url: str | None = None

    @property
    def is_open(self) -> bool:
        return PaymentState(self.status).is_open

    def settle(self, report: "ChargeReport", now: datetime) -> bool:
        """Applies a report on the charge; returns whether it changed anything. Late and repeated ones don't."""
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
                self.check_at = now  # to be captured, or cancelled
            if report.state is PaymentState.SUCCEEDED:
                self.amount, self.currency = report.amount, report.currency
        return changed


class Refund(Base, table=True):
    """Money on its way back, in part or in full. `requested_by` nobody: no order wanted it, or the gateway began."""

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("status IN ('requested', 'succeeded', 'failed')", name="status"),
        Index("ix_refunds_payment_id", "payment_id"),
        Index("ix_refunds_order_id", "order_id"),
        Index("ix_refunds_created_at_id", "created_at", "id"),
        Index("uq_refunds_gateway_refund", "gateway", "gateway_refund_id", unique=True),
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
    return_id: UUID | None = Field(default=None, description="of the goods that it gives the price back of")
    note: str | None = Field(default=None, description="for staff alone; `reason` is for the customer")

    def settle(self, report: "RefundReport", now: datetime) -> bool:
        """Applies a report on the refund; returns whether it changed anything. Late and repeated ones don't."""
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
    """What a gateway, or an outside payment system, says about one charge."""

    payment_id: UUID
    order_id: UUID
    gateway: str
    state: PaymentState
    amount: int
    currency: str
    charge_id: str | None = None
    reason: str | None = None
    traceparent: str | None = None
    """Of the request or the event that brought it."""
    action: tuple[str, str] | None = None
    """Type and URL of what the customer must do."""


@dataclass(frozen=True, slots=True)
class RefundReport:
    """What a gateway, or an outside payment system, says about one refund; `refund_id` None: it began there."""

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
    """All payments and refunds of one order; complete and unchanging while the order's row is held."""

    payments: list[Payment]
    refunds: list[Refund]

    def payment(self, id: UUID) -> Payment | None:
        return next((payment for payment in self.payments if payment.id == id), None)

    def refund(self, report: RefundReport) -> Refund | None:
        """The refund that is reported, by our id or, where it began at the gateway, by the gateway's."""
        for refund in self.refunds:
            if refund.id == report.refund_id:
                return refund
            if report.reference and (refund.gateway, refund.gateway_refund_id) == (report.gateway, report.reference):
                return refund
        return None

    def left(self, payment: Payment) -> int:
        """What may still be refunded of a payment: refunds that are under way count as if they had been made."""
        if payment.status != PaymentState.SUCCEEDED:
            return 0
        gone = sum(r.amount for r in self.refunds if r.payment_id == payment.id and r.status != RefundState.FAILED)
        return max(payment.amount - gone, 0)

    def left_in(self, currency: str) -> int:
        """What may still be refunded of all payments in this currency."""
        return sum(self.left(payment) for payment in self.payments if payment.currency == currency)

    def captured(self, currency: str) -> int:
        """All that was captured in the order's currency; money in another one can't pay for it."""
        return sum(p.amount for p in self.payments if p.status == PaymentState.SUCCEEDED and p.currency == currency)

    def refunded(self, currency: str) -> int:
        """All that went back."""
        return self._refunds(RefundState.SUCCEEDED, currency)

    def refunding(self, currency: str) -> int:
        """All that is on its way back."""
        return self._refunds(RefundState.REQUESTED, currency)

    def is_refunded(self, return_id: UUID) -> bool:
        """Whether all that goes back for a return has gone."""
        return all(r.status == RefundState.SUCCEEDED for r in self.refunds if r.return_id == return_id)

    def _refunds(self, state: RefundState, currency: str) -> int:
        return sum(r.amount for r in self.refunds if r.status == state and r.currency == currency)

    def spread(self, amount: int | None, currency: str | None = None) -> list[tuple[Payment, int]]:
        """Which payments (in this currency; None: in any) an amount (None: all that is left) goes back to, the latest
        first. Raises: RefundTooHigh."""
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
