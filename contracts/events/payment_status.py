"""Topic `payment_status`: the payments and refunds of an order.

Outside payment systems may publish `payment.succeeded`, `payment.failed` and `payment.refunded` here too, with their
own `ce_source`. They know neither the customer nor the order's number nor our versions, so these are optional. The
order service records such a report and publishes it again as its own event; customers are notified only of that one.
"""

from uuid import UUID

from pydantic import Field

from contracts.events.base import Event
from contracts.events.customer import MayNameCustomer, OfCustomer
from contracts.money import Money
from contracts.topics import PAYMENT_STATUS


class PaymentEvent(
    OfCustomer, Event, topic=PAYMENT_STATUS, source="/order_service", key="order_id", subject="payment_id"
):
    """The base class of events about payments that only the order service publishes."""

    payment_id: UUID
    order_id: UUID
    number: str
    amount: Money


class PaymentReport(
    MayNameCustomer, Event, topic=PAYMENT_STATUS, source="/order_service", key="order_id", subject="payment_id"
):
    """The base class of events about payments that outside payment systems may publish too."""

    version: int = Field(default=0, description="grows per source and subject; 0: the source has no versions")
    payment_id: UUID
    order_id: UUID
    number: str | None = None
    amount: Money
    reference: str | None = Field(
        default=None, description="the payment system's own id of the charge or refund, for reconciliation"
    )


class PaymentPending(PaymentEvent, type="mart.payment.pending.v1"):
    """A payment was started, and its outcome is not known yet; published by order."""


class PaymentSucceeded(PaymentReport, type="mart.payment.succeeded.v1"):
    """The amount was captured; published by order, or reported by an outside payment system."""

    gateway: str | None = Field(
        default=None,
        description="the payment system, as the order service names it: `bank_transfer` is money that staff recorded",
    )


class PaymentFailed(PaymentReport, type="mart.payment.failed.v1", notifies_customer=True):
    """The payment was declined or abandoned; published by order, or reported by an outside payment system."""

    reason: str = Field(description="a code, that of the gateway if it has one; customers are shown a text instead")


class PaymentRefunded(PaymentReport, type="mart.payment.refunded.v1", notifies_customer=True):
    """The amount was refunded; published by order, or reported by an outside payment system.

    A refund that another payment system made has a `reference` and no `refund_id`.
    """

    refund_id: UUID | None = None


class RefundRequested(PaymentEvent, type="mart.refund.requested.v1"):
    """A refund was requested, in part or in full; published by order before it calls the gateway."""

    refund_id: UUID
    reason: str | None = None
