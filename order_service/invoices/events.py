"""The event about an invoice or a credit note."""

from datetime import timedelta

from contracts.events.order_notification import InvoiceIssued
from contracts.money import Money
from order_service.invoices.content import InvoicedOrder
from order_service.invoices.links import make_token
from order_service.invoices.models import Invoice, InvoiceKind


def issued(invoice: Invoice, order: InvoicedOrder, base_url: str, secret: str, valid: timedelta) -> InvoiceIssued:
    """`base_url`: where customers reach this service; the link in the event is signed with `secret`."""
    token = make_token(invoice.id, invoice.issued_at + valid, secret)
    return InvoiceIssued(
        version=1,
        order_id=order.id,
        customer_id=order.customer_id,
        number=str(order.number),
        total=Money(amount=invoice.total, currency=invoice.currency),
        invoice_id=invoice.id,
        invoice_number=invoice.full_number,
        credit_note=invoice.kind == InvoiceKind.CREDIT_NOTE,
        link=f"{base_url.rstrip('/')}/invoice-link?token={token}",
    )
