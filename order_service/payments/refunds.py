"""Requests refunds, in the transaction with their cause; a job carries them out (`refund_settlement`)."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from contracts.events import payment_status as events
from order_service.orders import queries as orders
from order_service.orders.lifecycle import Cause, OrderState
from order_service.orders.models import Actor
from order_service.payments import queries
from order_service.payments.models import NothingToRefund, Payment, Refund, RefundTooHigh, money
from service_kit.clock import utcnow
from service_kit.database import Transaction
from service_kit.database.signals import signal
from service_kit.problems import not_found
from service_kit.telemetry.tracing import continue_trace, current_traceparent

JOB = "refunds"
REQUESTED = "refunds-requested"
"""A signal that there are refunds for the job to carry out."""


async def save(tx: Transaction, moved: Iterable[OrderState]) -> None:
    """Saves changed orders with their events, and requests the refunds that their transitions need (`to_refund`)."""
    moved = list(moved)
    await orders.save(tx, moved)
    for order in moved:
        reason, order.to_refund = order.to_refund, None
        if reason is not None and order.captured > order.refunded:
            await request(tx, order, None, reason, order.refund_traceparent)


async def request(
    tx: Transaction, order: OrderState, amount: int | None, reason: str, traceparent: str | None = None
) -> list[Refund]:
    """Refunds an order's money (None: all that is left, which may be nothing), the latest payment first. `traceparent`:
    of what it follows from, if that is not the current trace, as in a handler of a batch.

    The order must be locked. Raises: RefundTooHigh.
    """
    account = await queries.account(tx, order.id)
    with continue_trace(traceparent or current_traceparent()):
        return await _insert(tx, order, account.spread(amount), reason, None)


async def request_by_staff(
    tx: Transaction,
    payment_id: UUID,
    amount: int | None,
    reason: str | None,
    note: str | None,
    requested_by: UUID | None,
) -> Refund:
    """Refunds one payment, in part or (None) all that is left. Raises: NotFound, NothingToRefund, RefundTooHigh.

    The order changes at once, and not when the gateway has refunded: otherwise a parcel could leave unpaid.
    If the refund fails, the order is cancelled nevertheless, and its money is refunded by another request.
    `requested_by` None: unknown, since it is recovered from its event.
    """
    found = await queries.stored_status(tx, payment_id) or not_found(Payment, payment_id)
    order = await orders.lock(tx, found.order_id) or not_found(Payment, payment_id)
    account = await queries.account(tx, order.id)
    payment = account.payment(payment_id) or not_found(Payment, payment_id)
    left = account.left(payment)
    if not left:
        raise NothingToRefund
    if amount is not None and amount > left:
        raise RefundTooHigh(wanted=amount, left=left)
    was_refunded_in_full = order.is_refunded_in_full
    (refund,) = await _insert(tx, order, [(payment, amount or left)], reason, requested_by, note=note)
    order.money_moved(was_refunded_in_full, Cause(utcnow(), Actor.STAFF, requested_by, "refunded in full"))
    await save(tx, [order])
    return refund


async def request_worth(
    tx: Transaction,
    order: OrderState,
    worth: int,
    reason: str,
    return_id: UUID | None = None,
    traceparent: str | None = None,
    *,
    pieces: list[dict[str, int]],
) -> int:
    """Refunds the price of returned or lost pieces, or what is left of it; returns the amount. The order must be
    locked. `traceparent`: as in `request`; `pieces`: as in `Refund`, which has them if it alone pays for all of
    them."""
    account = await queries.account(tx, order.id)
    amount = min(worth, max(order.net_paid, 0), account.left_in(order.currency))
    parts = account.spread(amount, order.currency)
    paid_for = pieces if amount == worth and len(parts) == 1 else None
    with continue_trace(traceparent or current_traceparent()):
        await _insert(tx, order, parts, reason, None, return_id, pieces=paid_for)
    return amount


async def _insert(
    tx: Transaction,
    order: OrderState,
    parts: Sequence[tuple[Payment, int]],
    reason: str | None,
    requested_by: UUID | None,
    return_id: UUID | None = None,
    note: str | None = None,
    pieces: list[dict[str, int]] | None = None,
) -> list[Refund]:
    """Inserts a refund of each payment's part, with its event. The customer reads `reason`, only staff read `note`. The
    order must be locked."""
    refunds, published = [], []
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
            note=note,
            pieces=pieces,
        )
        payment.version += 1
        order.refunding += part * (payment.currency == order.currency)
        refunds.append(refund)
        fields = event_fields(order, payment, refund)
        published.append(events.RefundRequested(**fields, refund_id=refund.id, reason=refund.reason))
    if refunds:
        await queries.insert_refunds(tx, order, refunds, [payment for payment, _ in parts], *published)
        signal(tx, REQUESTED)
    return refunds


def event_fields(order: OrderState, payment: Payment, of: Payment | Refund) -> dict[str, Any]:
    """The fields of every event about a payment; its amount is that `of` the payment or of a refund."""
    return {
        "version": payment.version,
        "payment_id": payment.id,
        "order_id": order.id,
        "customer_id": order.customer_id,
        "number": order.number,
        "amount": money(of),
    }
