"""Money that goes back: asked for in the transaction that knows why, carried out by a job that asks the gateway.

This module knows nothing of what orders do, so that the orders' use cases can ask for a refund.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog

from contracts.events import payment_status as events
from contracts.money import Money
from order_service.orders import queries as orders
from order_service.orders.state import OrderState
from order_service.payments import queries
from order_service.payments.gateway import Gateway, GatewayRefund, NoAnswer, Refused
from order_service.payments.models import (
    NothingToRefund,
    Payment,
    Refund,
    RefundReport,
    RefundState,
    RefundTooHigh,
)
from service_kit.clock import utcnow
from service_kit.database import HotTx
from service_kit.problems import not_found
from service_kit.runtime import Runtime

log = structlog.get_logger(__name__)

JOB = "refunds"
LONGEST_PAUSE = timedelta(minutes=10)
# The gateway's webhook comes first, if it comes.
ASK_AGAIN_AFTER = timedelta(seconds=5)


async def request(tx: HotTx, order: OrderState, amount: int | None, reason: str) -> list[Refund]:
    """Gives an order's money back (None: all that is left, which may be nothing), the latest payment first.

    The order's row is held. Raises: RefundTooHigh.
    """
    account = await queries.account(tx, order.id)
    return await _insert(tx, order, account.spread(amount), reason, None)


async def request_of_payment(
    tx: HotTx, payment_id: UUID, amount: int | None, reason: str | None, requested_by: UUID
) -> Refund:
    """Gives one payment's money back. Raises: NotFound, NothingToRefund, RefundTooHigh."""
    order_id = await queries.order_of_payment(tx, payment_id) or not_found(Payment, payment_id)
    order = await orders.lock(tx, order_id) or not_found(Payment, payment_id)
    account = await queries.account(tx, order.id)
    payment = account.payment(payment_id) or not_found(Payment, payment_id)
    left = account.left(payment)
    if not left:
        raise NothingToRefund
    if amount is not None and amount > left:
        raise RefundTooHigh(wanted=amount, left=left)
    (refund,) = await _insert(tx, order, [(payment, amount or left)], reason, requested_by)
    return refund


async def _insert(
    tx: HotTx, order: OrderState, parts: Sequence[tuple[Payment, int]], reason: str | None, requested_by: UUID | None
) -> list[Refund]:
    refunds, told = [], []
    for payment, part in parts:
        refund = Refund(
            payment_id=payment.id,
            order_id=order.id,
            amount=part,
            currency=payment.currency,
            reason=reason,
            requested_by=requested_by,
            gateway=payment.gateway,
        )
        payment.version += 1
        refunds.append(refund)
        told.append(
            events.RefundRequested(
                **_common(order, payment), amount=_money(refund), refund_id=refund.id, reason=refund.reason
            )
        )
    if refunds:
        await queries.insert_refunds(tx, refunds, {payment.id: payment.version for payment, _ in parts}, *told)
    return refunds


async def settle(tx: HotTx, report: RefundReport) -> None:
    """Books what became of a refund, once. Raises: NotFound."""
    order = await orders.lock(tx, report.order_id) or not_found("order", report.order_id)
    account = await queries.account(tx, order.id)
    payment = account.payment(report.payment_id) or not_found(Payment, report.payment_id)
    refund = account.refund(report)
    if refund is None:
        if report.state is not RefundState.SUCCEEDED:
            return  # nothing of ours, and nothing that happened
        refund = await _book(tx, payment, report)
        account = await queries.account(tx, order.id)
    if not refund.settle(report, utcnow()):
        return
    told = []
    if refund.status == RefundState.SUCCEEDED:
        payment.version += 1
        told.append(
            events.PaymentRefunded(
                **_common(order, payment),
                amount=_money(refund),
                refund_id=refund.id,
                reference=refund.gateway_refund_id,
            )
        )
    else:
        # Nobody is told: the money is still ours, and a person must see to it.
        log.error("refund_failed", refund_id=str(refund.id), order=order.number, reason=refund.failure_reason)
    others = sum(
        other.amount
        for other in account.refunds
        if other.id != refund.id and other.status == RefundState.SUCCEEDED and other.currency == order.currency
    )
    counts = refund.status == RefundState.SUCCEEDED and refund.currency == order.currency
    await queries.save_refund(tx, refund, payment.version, others + refund.amount * counts, *told)


async def _book(tx: HotTx, payment: Payment, report: RefundReport) -> Refund:
    """A refund that began at the gateway, or in an outside system."""
    refund = Refund(
        payment_id=payment.id,
        order_id=payment.order_id,
        amount=report.amount,
        currency=report.currency,
        reason=report.reason,
        gateway=report.gateway,
        gateway_refund_id=report.reference,
    )
    await queries.insert_refunds(tx, [refund], {payment.id: payment.version})
    return refund


async def carry_out(runtime: Runtime, refund: Refund, charge_id: str) -> None:
    """One attempt. Asked again with the same key, the gateway says what became of it, and gives nothing back twice."""
    gateway = runtime.resource(Gateway)
    answer = await gateway.refund(refund.gateway_key, charge_id, amount=refund.amount, reason=refund.reason)
    match answer:
        case NoAnswer():
            pause = min(timedelta(seconds=2 ** min(refund.attempts, 20)), LONGEST_PAUSE)
            await _ask_again(runtime, refund, None, pause)
        case GatewayRefund(status="pending"):
            await _ask_again(runtime, refund, answer.id, ASK_AGAIN_AFTER)
        case GatewayRefund() | Refused():
            async with runtime.database.hot_tx() as tx:
                await settle(tx, _report(refund, answer))


async def _ask_again(runtime: Runtime, refund: Refund, gateway_refund_id: str | None, after: timedelta) -> None:
    async with runtime.database.hot() as connection:
        await queries.ask_refund_again(connection, refund.id, gateway_refund_id, after)


def _report(refund: Refund, answer: GatewayRefund | Refused) -> RefundReport:
    done = isinstance(answer, GatewayRefund) and answer.status == "succeeded"
    return RefundReport(
        refund_id=refund.id,
        payment_id=refund.payment_id,
        order_id=refund.order_id,
        gateway=refund.gateway,
        state=RefundState.SUCCEEDED if done else RefundState.FAILED,
        amount=refund.amount,
        currency=refund.currency,
        reference=answer.id if isinstance(answer, GatewayRefund) else None,
        reason=answer.reason,
    )


def _common(order: OrderState, payment: Payment) -> dict[str, UUID | str | int]:
    return {
        "version": payment.version,
        "payment_id": payment.id,
        "order_id": order.id,
        "user_id": order.user_id,
        "number": order.number,
    }


def _money(refund: Refund) -> Money:
    return Money(amount=refund.amount, currency=refund.currency)
