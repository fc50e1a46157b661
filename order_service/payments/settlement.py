"""What became of a charge, booked once, whoever says it: our own call, a webhook, the reconciler, another system."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import structlog

from contracts.events import payment_status as events
from contracts.money import Money
from order_service.orders import queries as orders
from order_service.orders import use_cases as order_use_cases
from order_service.orders.state import OrderState
from order_service.payments import queries, refunds
from order_service.payments.gateway import Charge, ChargeEvent, GatewayRefund, RefundEvent, Refused
from order_service.payments.models import (
    Account,
    ChargeReport,
    Payment,
    PaymentOfAnother,
    PaymentState,
    RefundReport,
    RefundState,
)
from service_kit.clock import utcnow
from service_kit.database import HotTx
from service_kit.problems import not_found

log = structlog.get_logger(__name__)

STATES = {"pending": PaymentState.PENDING, "succeeded": PaymentState.SUCCEEDED, "declined": PaymentState.FAILED}
REFUND_STATES = {
    "pending": RefundState.REQUESTED,
    "succeeded": RefundState.SUCCEEDED,
    "failed": RefundState.FAILED,
}


async def settle(tx: HotTx, report: ChargeReport) -> Payment | None:
    """Books the report on the payment and, when money came in, on its order; what no order wants goes back.

    Repeated and late reports change nothing, but late money. A payment that we have no row of, though its order is
    ours, is booked all the same: money never vanishes. None: nothing was there to book. Raises: NotFound,
    PaymentOfAnother.
    """
    order = await orders.lock(tx, report.order_id) or not_found("order", report.order_id)
    account = await queries.account(tx, order.id, adding=True)
    payment = account.payment(report.payment_id)
    is_new = payment is None
    if payment is None:
        if report.state is PaymentState.PENDING:
            return None
        payment = await _adopt(tx, order, report)
        account = replace(account, payments=[*account.payments, payment])
    elif payment.gateway != report.gateway:
        raise PaymentOfAnother(payment_id=str(payment.id), source=report.gateway)
    if not payment.settle(report, utcnow()):
        return payment
    await (queries.insert_payment if is_new else queries.save_payment)(tx, payment, _told(order, payment))
    if payment.status == PaymentState.SUCCEEDED:
        await _give_to_order(tx, order, account, payment)
    return payment


async def _adopt(tx: HotTx, order: OrderState, report: ChargeReport) -> Payment:
    if await queries.order_of_payment(tx, report.payment_id):
        raise PaymentOfAnother(payment_id=str(report.payment_id), source=report.gateway)
    return Payment(
        id=report.payment_id,
        order_id=order.id,
        user_id=order.user_id,
        amount=report.amount,
        currency=report.currency,
        gateway=report.gateway,
        gateway_charge_id=report.charge_id,
        version=0,
    )


def _told(order: OrderState, payment: Payment) -> events.PaymentSucceeded | events.PaymentFailed:
    common: dict[str, Any] = {
        "version": payment.version,
        "payment_id": payment.id,
        "order_id": order.id,
        "user_id": order.user_id,
        "number": order.number,
        "amount": Money(amount=payment.amount, currency=payment.currency),
        "reference": payment.gateway_charge_id,
    }
    if payment.status == PaymentState.SUCCEEDED:
        return events.PaymentSucceeded(**common)
    return events.PaymentFailed(**common, reason=payment.failure_reason or "declined")


async def _give_to_order(tx: HotTx, order: OrderState, account: Account, payment: Payment) -> None:
    """The order takes what it wants of the money; the rest goes back."""
    if payment.currency != order.currency:
        unwanted, reason = payment.amount, f"the order is in {order.currency}"
    else:
        captured = account.captured(order.currency)
        unwanted = await order_use_cases.payment_captured(tx, order, captured, utcnow())
        reason = f"the order is {order.status} and wants no more money"
    # Never more than just came in: what came before was looked at then.
    if (amount := min(unwanted, payment.amount)) > 0:
        await refunds.request(tx, order, amount, reason)


def charge_report(payment: Payment, answer: Charge | Refused) -> ChargeReport:
    """What the gateway answered about a payment of ours."""
    if isinstance(answer, Refused):
        return failed(payment, answer.reason)
    return ChargeReport(
        payment_id=payment.id,
        order_id=payment.order_id,
        gateway=payment.gateway,
        state=STATES[answer.status],
        amount=answer.amount,
        currency=answer.currency,
        charge_id=answer.id,
        reason=answer.failure_reason,
    )


def failed(payment: Payment, reason: str) -> ChargeReport:
    return ChargeReport(
        payment_id=payment.id,
        order_id=payment.order_id,
        gateway=payment.gateway,
        state=PaymentState.FAILED,
        amount=payment.amount,
        currency=payment.currency,
        reason=reason,
    )


async def hear(tx: HotTx, gateway: str, event: ChargeEvent | RefundEvent) -> None:
    """A webhook. What belongs to no order of ours is logged and left alone: the account may serve others too."""
    if isinstance(event, ChargeEvent):
        await _hear_of_charge(tx, gateway, event.data.charge)
    else:
        await _hear_of_refund(tx, gateway, event.data.refund)


async def _hear_of_charge(tx: HotTx, gateway: str, charge: Charge) -> None:
    payment_id = _id_in(charge.idempotency_key, "payment-")
    order_id = await queries.order_of_payment(tx, payment_id) if payment_id else None
    if payment_id and order_id is None:
        # Opened by us, but its row is gone (a database restored from before): the reference still names the order.
        named = _id_in(charge.reference, "")
        order_id = named if named and await orders.lock(tx, named) else None
    if payment_id is None or order_id is None:
        log.error("webhook_of_unknown_charge", charge_id=charge.id, reference=charge.reference, status=charge.status)
        return
    await settle(
        tx,
        ChargeReport(
            payment_id=payment_id,
            order_id=order_id,
            gateway=gateway,
            state=STATES[charge.status],
            amount=charge.amount,
            currency=charge.currency,
            charge_id=charge.id,
            reason=charge.failure_reason,
        ),
    )


async def _hear_of_refund(tx: HotTx, gateway: str, refund: GatewayRefund) -> None:
    found = await queries.order_of_charge(tx, gateway, refund.charge_id)
    if found is None:
        log.error("webhook_of_unknown_refund", refund_id=refund.id, charge_id=refund.charge_id)
        return
    payment_id, order_id = found
    await refunds.settle(
        tx,
        RefundReport(
            refund_id=_id_in(refund.idempotency_key, "refund-"),
            payment_id=payment_id,
            order_id=order_id,
            gateway=gateway,
            state=REFUND_STATES[refund.status],
            amount=refund.amount,
            currency=refund.currency,
            reference=refund.id,
            reason=refund.reason,
        ),
    )


def _id_in(text: str, prefix: str) -> UUID | None:
    try:
        return UUID(text.removeprefix(prefix)) if text.startswith(prefix) else None
    except ValueError:
        return None
