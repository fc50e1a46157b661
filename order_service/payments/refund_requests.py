"""Staff give a payment's money back. All of it, while nothing has left, cancels the order."""

from uuid import UUID

from order_service.orders import queries as orders
from order_service.orders.lifecycle import Cause
from order_service.orders.models import Actor
from order_service.payments import queries, refunds
from order_service.payments.models import NothingToRefund, Payment, Refund, RefundTooHigh
from service_kit.clock import utcnow
from service_kit.database import Transaction
from service_kit.problems import not_found


async def request(
    tx: Transaction, payment_id: UUID, amount: int | None, reason: str | None, note: str | None, requested_by: UUID
) -> Refund:
    """Of one payment, in part or (None) all that is left. Raises: NotFound, NothingToRefund, RefundTooHigh.

    What follows for the order follows at once, and not when the money has arrived: a parcel that left in between would
    be given away. Should the refund fail, the order is cancelled all the same, and its money asked back again.
    """
    order_id = await queries.order_of_payment(tx, payment_id) or not_found(Payment, payment_id)
    order = await orders.lock(tx, order_id) or not_found(Payment, payment_id)
    account = await queries.account(tx, order.id)
    payment = account.payment(payment_id) or not_found(Payment, payment_id)
    left = account.left(payment)
    if not left:
        raise NothingToRefund
    if amount is not None and amount > left:
        raise RefundTooHigh(wanted=amount, left=left)
    was_refunded_in_full = order.is_refunded_in_full
    (refund,) = await refunds.insert(tx, order, [(payment, amount or left)], reason, requested_by, note=note)
    order.money_moved(was_refunded_in_full, Cause(utcnow(), Actor.STAFF, requested_by, "refunded in full"))
    await refunds.save(tx, [order])
    return refund
