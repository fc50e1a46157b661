"""Reports of outside payment systems, on `payment_status` under their own source; each is booked once."""

from contracts.events.payment_status import PaymentFailed, PaymentRefunded, PaymentSucceeded
from order_service.payments import refund_settlement
from order_service.payments.models import ChargeReport, PaymentState, RefundReport, RefundState
from order_service.payments.settlement import settle
from service_kit.database import Transaction
from service_kit.messaging import Envelope, consumes


@consumes(PaymentSucceeded, batch=True)
@consumes(PaymentFailed, batch=True)
async def on_payment_reports(
    tx: Transaction, events: list[PaymentSucceeded | PaymentFailed], envelopes: list[Envelope]
) -> None:
    """One handler for both event types, so that a batch locks its orders once."""
    await settle(tx, [_report(event, envelope) for event, envelope in zip(events, envelopes, strict=True)])


@consumes(PaymentRefunded)
async def on_payment_refunded(tx: Transaction, event: PaymentRefunded, envelope: Envelope) -> None:
    """Settles a refund that we requested, or books one that was made outside."""
    report = RefundReport(
        refund_id=event.refund_id,
        payment_id=event.payment_id,
        order_id=event.order_id,
        gateway=envelope.source,
        state=RefundState.SUCCEEDED,
        amount=event.amount.amount,
        currency=event.amount.currency,
        # Without a reference it is identified by its event, whose id stays the same when it is sent again.
        reference=event.reference or str(envelope.id),
    )
    await refund_settlement.settle(tx, report)


def _report(event: PaymentSucceeded | PaymentFailed, envelope: Envelope) -> ChargeReport:
    return ChargeReport(
        payment_id=event.payment_id,
        order_id=event.order_id,
        gateway=envelope.source,
        state=PaymentState.FAILED if isinstance(event, PaymentFailed) else PaymentState.SUCCEEDED,
        amount=event.amount.amount,
        currency=event.amount.currency,
        charge_id=event.reference,
        reason=event.reason if isinstance(event, PaymentFailed) else None,
        traceparent=envelope.traceparent,
    )
