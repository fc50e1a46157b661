"""Returns of goods. Each step is recorded in the order's history, by the rules of `orders.lifecycle`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from contracts.permissions import Permission
from order_service.orders import queries as orders
from order_service.orders.lifecycle import Cause, OrderState, Trigger
from order_service.orders.models import NOTE, Actor, Order
from order_service.payments import refunds
from order_service.payments.refund_settlement import on_return_refunded
from order_service.returns import events, queries
from order_service.returns.models import Return, Returnable, ReturnStatus, ReturnWindowOver, Wanted
from order_service.returns.queries import ALL_ENDED
from service_kit.clock import utcnow
from service_kit.database import Transaction
from service_kit.problems import not_found
from service_kit.security import Principal, account_status

log = structlog.get_logger(__name__)

DECISIONS = {
    ReturnStatus.APPROVED: (Trigger.RETURN_APPROVED, Actor.STAFF),
    ReturnStatus.REJECTED: (Trigger.RETURN_REFUSED, Actor.STAFF),
    ReturnStatus.WITHDRAWN: (Trigger.RETURN_WITHDRAWN, Actor.CUSTOMER),
}


@dataclass(frozen=True, slots=True)
class Received:
    """A warehouse's report on a return: how many pieces of each product arrived, damaged ones included."""

    return_id: UUID
    order_id: UUID
    came: Mapping[UUID, int]
    traceparent: str | None


async def request_return(
    tx: Transaction, order_id: UUID, wanted: Sequence[Wanted], reason: str, window: timedelta, who: Principal
) -> Return:
    """A customer, or staff for them, requests the return of delivered pieces.

    Raises: NotFound, PermissionRevoked, TransitionRefused, ReturnWindowOver, MoreThanReturnable, LineAmbiguous.
    """
    of = None if who.may(Permission.RETURNS_WRITE_ANY) else who.user_id
    order = await orders.lock(tx, order_id, of=of) or not_found(Order, order_id)
    actor = Actor.CUSTOMER if order.customer_id == who.user_id else Actor.STAFF
    if actor is Actor.STAFF:
        await account_status.check(tx, who, [Permission.RETURNS_WRITE_ANY])
    now = utcnow()
    made = Return(order_id=order.id, customer_id=order.customer_id, currency=order.currency, reason=reason, lines=[])
    order.move(Trigger.RETURN_REQUESTED, _cause(made, actor, who.user_id, reason))
    until = (order.delivered_at or now) + window
    if until <= now:
        raise ReturnWindowOver(until=until.isoformat())
    made.lines = (await queries.returnable(tx, order)).take(wanted)
    await queries.insert(tx, made)
    await refunds.save(tx, [order])
    return made


async def decide(
    tx: Transaction,
    return_id: UUID,
    status: ReturnStatus,
    who: Principal,
    *,
    owner: UUID | None,
    rejection_reason: str | None = None,
    note: str | None = None,
) -> Return:
    """Staff approve or reject, or the customer (`owner`) withdraws. The customer reads `rejection_reason`, only staff
    read `note`. Raises: NotFound, ReturnDecided."""
    found = await queries.find(tx, return_id, owner) or not_found(Return, return_id)
    order = await orders.lock(tx, found.order_id) or not_found(Return, return_id)
    found = await queries.find(tx, return_id) or found  # read again under the lock
    found.decide(status, who.user_id, utcnow(), rejection_reason)
    trigger, actor = DECISIONS[status]
    order.move(trigger, _cause(found, actor, who.user_id, rejection_reason, note=note))
    await queries.save(tx, found)
    await refunds.save(tx, [order])
    return found


async def apply_received(tx: Transaction, news: Sequence[Received]) -> None:
    """Returned goods arrived: their price is refunded once. Duplicate events change nothing."""
    held = await orders.lock_many(tx, [each.order_id for each in news])
    for each in news:
        order = held.get(each.order_id)
        found = await queries.find(tx, each.return_id)
        if order is None or found is None or found.order_id != order.id:
            log.error("unknown_return", return_id=str(each.return_id), order_id=str(each.order_id))
        elif not any(each.came.values()):
            await _close(tx, order, found, each.traceparent)
        elif found.receive(each.came, bought := await queries.returnable(tx, order), utcnow()):
            await _schedule_check(tx, order, found, bought, each.traceparent)
    await refunds.save(tx, held.values())


@on_return_refunded
async def mark_refunded(tx: Transaction, return_id: UUID) -> None:
    """All its refunds have succeeded. The order is locked."""
    found = await queries.find(tx, return_id) or not_found(Return, return_id)
    if found.becomes(ReturnStatus.REFUNDED):
        await queries.save(tx, found)


async def _close(tx: Transaction, order: OrderState, found: Return, traceparent: str | None) -> None:
    """Nothing arrived, and nothing is refunded: its pieces may be returned later, until the return window is over."""
    if found.close(utcnow()):
        await queries.save(tx, found)
        order.move(Trigger.RETURN_CLOSED, _cause(found, Actor.INVENTORY, None, "it never came", traceparent))


async def _schedule_check(
    tx: Transaction, order: OrderState, found: Return, bought: Returnable, traceparent: str | None
) -> None:
    """`bought` does not contain the pieces received now."""
    pieces = bought.refunded_pieces({line["position"]: line["received"] for line in found.lines})
    worth = found.worth or 0
    found.refund(await refunds.request_worth(tx, order, worth, "returned", found.id, traceparent, pieces=pieces))
    await queries.save(tx, found)
    all_returned = order.status in ALL_ENDED and (await queries.returnable(tx, order)).all_returned()
    trigger = Trigger.LAST_RETURN_RECEIVED if all_returned else Trigger.RETURN_RECEIVED
    reason = f"{found.to_refund} of {found.worth} go back" if found.to_refund != found.worth else None
    order.move(trigger, _cause(found, Actor.INVENTORY, None, reason, traceparent))


def _cause(
    of: Return,
    actor: Actor,
    actor_id: UUID | None,
    reason: str | None,
    traceparent: str | None = None,
    note: str | None = None,
) -> Cause:
    details: dict[str, Any] = {"return_id": str(of.id), **({NOTE: note} if note else {})}
    return Cause(
        utcnow(), actor, actor_id, reason, context=partial(events.of, of), traceparent=traceparent, details=details
    )
