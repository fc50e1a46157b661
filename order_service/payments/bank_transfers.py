"""Payments by bank transfer: staff record the money that arrived, and decide the refunds that they make by hand.

A recorded transfer is a payment whose charge id is the transfer's reference, and is settled as every other. A unique
index on the reference keeps a transfer from being booked twice, on whichever orders.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from asyncpg import UniqueViolationError

from order_service.orders import queries as orders
from order_service.orders.lifecycle import Cause
from order_service.orders.models import NOTE, Actor, Order
from order_service.payments import queries, refund_settlement
from order_service.payments.models import (
    BANK_TRANSFER,
    ChargeReport,
    Payment,
    PaymentState,
    Refund,
    RefundDecided,
    RefundNotByHand,
    RefundReferenceInUse,
    RefundReport,
    RefundState,
    TransferRecorded,
)
from order_service.payments.settlement import settle
from service_kit.clock import utcnow
from service_kit.database import Transaction
from service_kit.ids import uuid7
from service_kit.problems import Problem, not_found
from service_kit.telemetry.tracing import current_traceparent


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money that arrived for an order. `amount`: in the minor unit of the order's currency. The customer reads
    `reason`, only staff read `note`."""

    order_id: UUID
    amount: int
    reference: str
    received_on: date
    reason: str
    note: str | None
    recorded_by: UUID


async def record(tx: Transaction, transfer: Transfer) -> Payment:
    """Books the money on its order, which takes what it still wants; the rest is to be refunded by hand.

    Raises: NotFound, TransferRecorded.
    """
    order = await orders.lock(tx, transfer.order_id) or not_found(Order, transfer.order_id)
    details = {"reference": transfer.reference, "received_on": transfer.received_on.isoformat()}
    if transfer.note:
        details[NOTE] = transfer.note
    report = ChargeReport(
        payment_id=uuid7(),
        order_id=order.id,
        gateway=BANK_TRANSFER,
        state=PaymentState.SUCCEEDED,
        amount=transfer.amount,
        currency=order.currency,
        charge_id=transfer.reference,
        traceparent=current_traceparent(),
        cause=Cause(utcnow(), Actor.STAFF, transfer.recorded_by, transfer.reason, details=details),
    )
    with _unique(TransferRecorded(reference=transfer.reference)):
        [payment] = await settle(tx, [report])
    assert payment is not None, "a payment that succeeded is always booked"
    return payment


async def confirm_refund(tx: Transaction, refund_id: UUID, reference: str) -> Refund:
    """Books that staff have transferred the money back. With the same reference, a second time changes nothing.

    Raises: NotFound, RefundNotByHand, RefundDecided, RefundReferenceInUse.
    """
    refund = await _locked(tx, refund_id)
    if (refund.status, refund.gateway_refund_id) == (RefundState.SUCCEEDED, reference):
        return refund
    if await queries.refund_of_reference(tx, BANK_TRANSFER, reference):
        raise RefundReferenceInUse(reference=reference)
    with _unique(RefundReferenceInUse(reference=reference)):
        return await _decide(tx, refund, RefundState.SUCCEEDED, reference=reference)


async def fail_refund(tx: Transaction, refund_id: UUID, reason: str) -> Refund:
    """Books that the money can't be transferred back; it may be refunded again. With the same reason, a second time
    changes nothing. Raises: NotFound, RefundNotByHand, RefundDecided."""
    refund = await _locked(tx, refund_id)
    if (refund.status, refund.failure_reason) == (RefundState.FAILED, reason):
        return refund
    return await _decide(tx, refund, RefundState.FAILED, reason=reason)


async def _locked(tx: Transaction, refund_id: UUID) -> Refund:
    """The refund as it is once its order is locked. Raises: NotFound, RefundNotByHand."""
    found = await queries.find_refund(tx, refund_id, None) or not_found(Refund, refund_id)
    if found.gateway != BANK_TRANSFER:
        raise RefundNotByHand(refund_id=refund_id, gateway=found.gateway)
    await orders.lock(tx, found.order_id)
    return await queries.find_refund(tx, refund_id, None) or not_found(Refund, refund_id)


async def _decide(
    tx: Transaction, refund: Refund, state: RefundState, *, reference: str | None = None, reason: str | None = None
) -> Refund:
    """Staff decide once: money that could not be transferred is refunded by another refund, not by this one."""
    if refund.status != RefundState.REQUESTED:
        raise RefundDecided(refund_status=refund.status)
    ids = refund.id, refund.payment_id, refund.order_id, refund.gateway
    await refund_settlement.settle(tx, RefundReport(*ids, state, refund.amount, refund.currency, reference, reason))
    return await queries.find_refund(tx, refund.id, None) or not_found(Refund, refund.id)


@contextmanager
def _unique(problem: Problem) -> Iterator[None]:
    """Raises `problem` if a concurrent transaction has used the reference first."""
    try:
        yield
    except UniqueViolationError as error:
        raise problem from error
