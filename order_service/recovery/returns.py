"""Recovers returns from their events. A withdrawal has no event: such a return is `requested` again."""

from datetime import datetime
from functools import partial

from contracts.events import order_notification as steps
from order_service.orders import queries as orders
from order_service.orders.lifecycle import Cause, Trigger
from order_service.orders.models import Actor, Order
from order_service.payments import refunds
from order_service.returns import events, queries
from order_service.returns.models import Return, ReturnStatus, Wanted
from service_kit.database import Transaction
from service_kit.problems import not_found


async def request_return(tx: Transaction, event: steps.ReturnRequested, at: datetime) -> None:
    """Raises: NotFound, TransitionRefused, MoreThanReturnable, LineAmbiguous."""
    order = await orders.lock(tx, event.order_id) or not_found(Order, event.order_id)
    made = Return(
        id=event.return_id,
        order_id=order.id,
        customer_id=order.customer_id,
        currency=order.currency,
        reason=event.reason,
        lines=[],
        created_at=at,
    )
    cause = Cause(at, Actor.CUSTOMER, order.customer_id, event.reason, context=partial(events.of, made))
    order.move(Trigger.RETURN_REQUESTED, cause)
    wanted = [Wanted(line.position, line.product_id, line.quantity) for line in event.lines]
    made.lines = (await queries.returnable(tx, order)).take(wanted)
    await queries.insert(tx, made)
    await refunds.save(tx, [order])


async def decide_return(tx: Transaction, event: steps.ReturnApproved | steps.ReturnRefused, at: datetime) -> None:
    """Who decided is lost. Raises: NotFound, TransitionRefused."""
    order = await orders.lock(tx, event.order_id) or not_found(Order, event.order_id)
    found = await queries.find(tx, event.return_id) or not_found(Return, event.return_id)
    is_approved = isinstance(event, steps.ReturnApproved)
    if not found.becomes(ReturnStatus.APPROVED if is_approved else ReturnStatus.REJECTED):
        return
    found.decided_at = at
    found.rejection_reason = None if isinstance(event, steps.ReturnApproved) else event.reason
    trigger = Trigger.RETURN_APPROVED if is_approved else Trigger.RETURN_REFUSED
    order.move(trigger, Cause(at, Actor.STAFF, reason=found.rejection_reason, context=partial(events.of, found)))
    await queries.save(tx, found)
    await refunds.save(tx, [order])
