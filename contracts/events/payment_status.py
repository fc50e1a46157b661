"""Topic `payment_status`: what became of the money.

An outside payment system may report here too, under a `ce_source` of its own: `payment.succeeded`, `payment.failed` and
`payment.refunded`. It knows neither the customer nor the order's number nor our versions, so these may be left out.
The order service books such a report and says it again as its own; customers are notified of what the order service
publishes.
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
    """What every event about a payment of order's carries."""

    payment_id: UUID
    order_id: UUID
    number: str
    amount: Money


class PaymentReport(
    MayNameCustomer, Event, topic=PAYMENT_STATUS, source="/order_service", key="order_id", subject="payment_id"
):
    """What an outside system may say as well."""

    version: int = Field(default=0, description="grows per source and subject; 0: the sender counts none")
    payment_id: UUID
    order_id: UUID
    number: str | None = None
    amount: Money
    reference: str | None = Field(
        default=None, description="the payment system's own id of the charge or refund, to compare its books with ours"
    )


class PaymentPending(PaymentEvent, type="mart.payment.pending.v1"):
    """A payment was opened and is not settled yet; said by order."""


class PaymentSucceeded(PaymentReport, type="mart.payment.succeeded.v1"):
    """The amount was captured; said by order, or reported by an outside payment system."""


class PaymentFailed(PaymentReport, type="mart.payment.failed.v1", notifies_customer=True):
    """The payment was declined or given up; said by order, or reported by an outside payment system."""

    reason: str = Field(description="a code, the gateway's where it has one; customers read a sentence for it")


class PaymentRefunded(PaymentReport, type="mart.payment.refunded.v1", notifies_customer=True):
    """The amount went back; said by order, or reported by an outside payment system.

    `amount` is what was refunded. A refund that began outside has a `reference` and no `refund_id`.
    """

    refund_id: UUID | None = None


class RefundRequested(PaymentEvent, type="mart.refund.requested.v1"):
    """The amount is to go back, in part or in full; said by order before it asks the gateway."""

    refund_id: UUID
    reason: str | None = None
