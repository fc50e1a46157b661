"""Money that goes back: asked for in the transaction that knows why. A job carries it out: `refund_settlement`.

This module knows nothing of what orders do, so that the orders' use cases can ask for a refund.
"""

from collections.abc import Sequence
from uuid import UUID

from contracts.events import payment_status as events
from contracts.money import Money
from order_service.orders import queries as orders
from order_service.orders.state import OrderState
from order_service.payments import queries
from order_service.payments.models import (
    NothingToRefund,
    Payment,
    Refund,
    RefundTooHigh,
)
from service_kit.database import HotTx
from service_kit.database.signals import signal
from service_kit.problems import not_found

JOB = "refunds"
REQUESTED = "refunds-requested"
"""A signal: there are refunds for the job to carry out."""


async def request(tx: HotTx, order: OrderState, amount: int | None, reason: str) -> list[Refund]:
    """Gives an order's money back (None: all that is left, which may be nothing), the latest payment first.

    The order's row is held. Raises: RefundTooHigh.
    """
    account = await queries.account(tx, order.id)
    return await _insert(tx, order, account.spread(amount), reason, None)


async def request_for_return(tx: HotTx, order: OrderState, worth: int, return_id: UUID) -> int:
    """Gives back what returned goods have cost, or what staff left of it; how much that is. The order's row is held."""
    account = await queries.account(tx, order.id)
    amount = min(worth, max(order.kept, 0), account.left_in(order.currency))
    await _insert(tx, order, account.spread(amount, order.currency), "returned", None, return_id)
    return amount


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
    tx: HotTx,
    order: OrderState,
    parts: Sequence[tuple[Payment, int]],
    reason: str | None,
    requested_by: UUID | None,
    return_id: UUID | None = None,
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
            return_id=return_id,
        )
        payment.version += 1
        order.refunding += part * (payment.currency == order.currency)
        refunds.append(refund)
        told.append(
            events.RefundRequested(
                **common(order, payment), amount=money(refund), refund_id=refund.id, reason=refund.reason
            )
        )
    if refunds:
        versions = {payment.id: payment.version for payment, _ in parts}
        await queries.insert_refunds(tx, order, refunds, versions, *told)
        signal(tx, REQUESTED)
    return refunds


def common(order: OrderState, payment: Payment) -> dict[str, UUID | str | int]:
    """What every event about a payment says."""
    return {
        "version": payment.version,
        "payment_id": payment.id,
        "order_id": order.id,
        "user_id": order.user_id,
        "number": order.number,
    }


def money(refund: Refund) -> Money:
    return Money(amount=refund.amount, currency=refund.currency)
