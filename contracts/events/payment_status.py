"""Topic `payment_status`: the payments and refunds of an order.

An outside payment system may report here too, under a `ce_source` of its own: `payment.succeeded`, `payment.failed` and
`payment.refunded`. It knows neither the customer nor the order's number nor our versions, so these are optional.
The order service records such a report and publishes it again under its own source; customers are notified only of
what the order service publishes.
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
    """What every event about a payment of the order service carries."""

    payment_id: UUID
    order_id: UUID
    number: str
    amount: Money


class PaymentReport(
    MayNameCustomer, Event, topic=PAYMENT_STATUS, source="/order_service", key="order_id", subject="payment_id"
):
    """What the events carry that an outside payment system may publish too."""

    version: int = Field(default=0, description="grows per source and subject; 0: the sender has no versions")
    payment_id: UUID
    order_id: UUID
    number: str | None = None
    amount: Money
    reference: str | None = Field(
        default=None, description="the payment system's own id of the charge or refund, to compare its books with ours"
    )


class PaymentPending(PaymentEvent, type="mart.payment.pending.v1"):
    """A payment was opened and is not settled yet; published by order."""


class PaymentSucceeded(PaymentReport, type="mart.payment.succeeded.v1"):
    """The amount was captured; published by order, or reported by an outside payment system."""


class PaymentFailed(PaymentReport, type="mart.payment.failed.v1", notifies_customer=True):
    """The payment was declined or abandoned; published by order, or reported by an outside payment system."""

    reason: str = Field(description="a code, the gateway's where it has one; customers read a sentence for it")


class PaymentRefunded(PaymentReport, type="mart.payment.refunded.v1", notifies_customer=True):
    """The amount was refunded; published by order, or reported by an outside payment system.

    A refund that was made outside has a `reference` and no `refund_id`.
    """

    refund_id: UUID | None = None


class RefundRequested(PaymentEvent, type="mart.refund.requested.v1"):
    """A payment is to be refunded, in part or in full; published by order before it calls the gateway."""

    refund_id: UUID
    reason: str | None = None
