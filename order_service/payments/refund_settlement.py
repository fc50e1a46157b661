"""Settles a refund once, by the first report about it: from our own call, a webhook or an outside system."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import structlog

from contracts.events import payment_status as events
from order_service.orders import queries as orders
from order_service.orders.lifecycle import Cause, OrderState
from order_service.orders.models import Actor
from order_service.payments import queries, refunds
from order_service.payments.gateways.port import GatewayRefund, NoResponse, Rejected
from order_service.payments.gateways.registry import Gateways
from order_service.payments.models import BANK_TRANSFER, Payment, Refund, RefundReport, RefundState, gateway_key
from service_kit.clock import utcnow
from service_kit.database import Transaction
from service_kit.ids import uuid7
from service_kit.problems import not_found
from service_kit.queue import Backoff
from service_kit.runtime import Runtime
from service_kit.telemetry.tracing import continue_trace

log = structlog.get_logger(__name__)

BACKOFF = Backoff(timedelta(seconds=2), timedelta(minutes=10))
# The gateway's webhook usually arrives sooner.
RETRY_AFTER = timedelta(seconds=5)


ReturnRefunded = Callable[[Transaction, UUID], Awaitable[None]]
_on_return_refunded: list[ReturnRefunded] = []


def on_return_refunded(function: ReturnRefunded) -> ReturnRefunded:
    """Registers a function of the domain that owns returns: it is called in the transaction that books a return's last
    refund."""
    _on_return_refunded.append(function)
    return function


async def settle(tx: Transaction, report: RefundReport) -> None:
    """Books a report about a refund, once. Raises: NotFound."""
    order = await orders.lock(tx, report.order_id) or not_found("order", report.order_id)
    account = await queries.account(tx, order.id)
    payment = account.payment(report.payment_id) or not_found(Payment, report.payment_id)
    refund = account.refund(report)
    if refund is None:
        if report.state is not RefundState.SUCCEEDED:
            return  # no refund of ours, and no money was refunded
        refund = await _book(tx, order, payment, report)
        account.refunds.append(refund)
    if not refund.settle(report, utcnow()):
        return
    was_refunded_in_full, reason = order.is_refunded_in_full, refund.failure_reason or "refunded in full"
    order.refunded, order.refunding = account.refunded(order.currency), account.refunding(order.currency)
    published = []
    if refund.status == RefundState.SUCCEEDED:
        payment.version += 1
        fields = refunds.event_fields(order, payment, refund)
        published.append(events.PaymentRefunded(**fields, refund_id=refund.id, reference=refund.gateway_refund_id))
    else:
        # No event: the money was not refunded, and staff must handle it.
        code = refund.failure_reason if refund.gateway != BANK_TRANSFER else None  # that is a text, for the customer
        log.error("refund_failed", refund_id=str(refund.id), order=order.number, reason=code)
    await queries.save_refund(tx, order, refund, payment, *published)
    if refund.return_id is not None and account.is_refunded(refund.return_id):
        for react in _on_return_refunded:
            await react(tx, refund.return_id)
    order.money_moved(was_refunded_in_full, Cause(utcnow(), Actor.PAYMENTS, reason=reason))
    order.follow(Cause(utcnow(), Actor.PAYMENTS))  # money that could not be refunded may pay for it after all
    await refunds.save(tx, [order])


async def _book(tx: Transaction, order: OrderState, payment: Payment, report: RefundReport) -> Refund:
    """A refund that began at the gateway, in an outside system, or here, and whose row was lost."""
    refund = Refund(
        id=report.refund_id or uuid7(),
        payment_id=payment.id,
        order_id=payment.order_id,
        amount=report.amount,
        currency=report.currency,
        reason=report.reason,
        gateway=report.gateway,
        gateway_refund_id=report.reference,
    )
    await queries.insert_refunds(tx, order, [refund], [payment])
    return refund


async def carry_out(runtime: Runtime, refund: Refund, charge_id: str) -> None:
    """One attempt. Another one has the same key, so that the gateway only returns the refund's state."""
    gateway = runtime.resource(Gateways)[refund.gateway]
    with continue_trace(refund.traceparent):
        answer = await gateway.refund(gateway_key("refund", refund.id), charge_id, refund.amount, refund.reason)
        match answer:
            case NoResponse():
                await _retry_later(runtime, refund, None, BACKOFF.wait(refund.attempts - 1))
            case GatewayRefund(state=RefundState.REQUESTED):
                await _retry_later(runtime, refund, answer.id, RETRY_AFTER)
            case GatewayRefund() | Rejected():
                async with runtime.database.transaction() as tx:
                    await settle(tx, _report(refund, answer))


async def _retry_later(runtime: Runtime, refund: Refund, gateway_refund_id: str | None, after: timedelta) -> None:
    async with runtime.database.connection() as connection:
        await queries.retry_refund(connection, refund.id, after, gateway_refund_id)


def _report(refund: Refund, answer: GatewayRefund | Rejected) -> RefundReport:
    ids = refund.id, refund.payment_id, refund.order_id, refund.gateway
    if isinstance(answer, GatewayRefund):
        return report_of(*ids, answer)
    return RefundReport(*ids, RefundState.FAILED, refund.amount, refund.currency, reason=answer.reason)


def report_of(
    refund_id: UUID | None, payment_id: UUID, order_id: UUID, gateway: str, refund: GatewayRefund
) -> RefundReport:
    ids = refund_id, payment_id, order_id, gateway
    return RefundReport(*ids, refund.state, refund.amount, refund.currency, refund.id, refund.reason)
