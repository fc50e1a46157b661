"""The kinds of notifications."""

from enum import StrEnum

from contracts.events import Event


class Kind(StrEnum):
    """A kind of notification: the event's type without the common prefix and version."""

    ORDER_PLACED = "order.placed"
    ORDER_REJECTED = "order.rejected"
    ORDER_AWAITING_PAYMENT = "order.awaiting_payment"
    ORDER_PAID = "order.paid"
    ORDER_CANCELLED = "order.cancelled"
    ORDER_EXPIRED = "order.expired"
    PAYMENT_FAILED = "payment.failed"
    PAYMENT_REFUNDED = "payment.refunded"
    SHIPMENT_DISPATCHED = "shipment.dispatched"
    SHIPMENT_DELIVERED = "shipment.delivered"
    SHIPMENT_CORRECTED = "shipment.corrected"
    SHIPMENT_LOST = "shipment.lost"
    RETURN_APPROVED = "return.approved"
    RETURN_REFUSED = "return.refused"
    RETURN_RECEIVED = "return.received"
    RETURN_CLOSED = "return.closed"
    INVOICE_ISSUED = "invoice.issued"

    @classmethod
    def of(cls, event: type[Event]) -> "Kind":
        return cls(event.type.removeprefix("mart.").rpartition(".v")[0])


MAIL_ONLY = frozenset({Kind.INVOICE_ISSUED})
"""Kinds that are sent, but not shown in the inbox: the customer finds invoices with the order."""
