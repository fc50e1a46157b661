"""Changes of an order after it was placed, each by the rules of `orders.lifecycle`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import structlog

from order_service.orders import queries
from order_service.orders.lifecycle import Cause, OrderState, Shipment, Trigger
from order_service.orders.models import NOTE, UNWANTED, Actor, Order, Status
from order_service.payments import refunds
from order_service.returns import queries as returns
from order_service.returns.parcels import pieces_of
from order_service.search import queries as search
from service_kit.clock import utcnow
from service_kit.concurrency import Expected
from service_kit.database import Transaction
from service_kit.problems import Forbidden, not_found
from service_kit.security import Principal, account_status

log = structlog.get_logger(__name__)
CANCEL_ANY = "orders:cancel:any"


@dataclass(frozen=True, slots=True)
class Step:
    """An input of an order: a trigger, or the state of a parcel."""

    order_id: UUID
    what: Trigger | Shipment
    cause: Cause


async def cancel(tx: Transaction, order_id: UUID, reason: str | None, note: str | None, who: Principal) -> OrderState:
    """Cancels an order; a paid one only after inventory has released its stock. The customer reads `reason`, only staff
    read `note`. Raises: TransitionRefused, NotFound, Forbidden."""
    if note and not who.may(CANCEL_ANY):
        raise Forbidden(permission=CANCEL_ANY)
    order = await _locked(tx, order_id, who, CANCEL_ANY)
    details = {NOTE: note} if note else None
    order.move(Trigger.CANCEL, Cause(utcnow(), _actor(order, who), who.user_id, reason, details=details))
    await refunds.save(tx, [order])
    return order


async def change_ship_to(
    tx: Transaction, order_id: UUID, ship_to: dict[str, Any], expected: Expected, who: Principal
) -> OrderState:
    """Changes the shipping address of an unpaid order. Raises: TransitionRefused, NotFound, PreconditionFailed."""
    order = await _locked(tx, order_id, who, "orders:write:any")
    expected.check(order.version)
    order.move(Trigger.CHANGE_SHIP_TO, Cause(utcnow(), _actor(order, who), who.user_id))
    order.ship_to = ship_to
    await queries.CHANGE_SHIP_TO.execute(tx, order=order)
    await search.change_address(tx, order.id, ship_to)
    await refunds.save(tx, [order])
    return order


async def apply(tx: Transaction, steps: Sequence[Step]) -> None:
    """Applies a batch of steps to their orders, those of one order in sequence; the table has rules for late ones."""
    orders = await queries.lock_many(tx, [step.order_id for step in steps])
    for step in steps:
        order = orders.get(step.order_id)
        if order is None:
            log.warning("unknown_order", order_id=str(step.order_id), what=str(step.what))
            continue
        if isinstance(step.what, Trigger):
            order.move(step.what, step.cause)
        elif trigger := order.apply_shipment(step.what):
            order.move(trigger, replace(step.cause, context=order.shipments[step.what.id]))
    losing = [order for order in orders.values() if order.lost]
    traceparents = {step.order_id: step.cause.traceparent for step in steps}
    for order in losing:
        await _refund_lost(tx, order, traceparents[order.id])
    await refunds.save(tx, orders.values())
    for order in losing:  # all other pieces may have been returned before this parcel was lost
        if order.status is Status.DELIVERED and (await returns.returnable(tx, order)).all_returned():
            order.move(Trigger.LAST_RETURN_RECEIVED, Cause(utcnow(), Actor.INVENTORY))
            await refunds.save(tx, [order])


async def _refund_lost(tx: Transaction, order: OrderState, traceparent: str | None) -> None:
    """Refunds the price of lost parcels' lines, as far as it was not refunded before. If every parcel is lost, the
    table cancels the order and refunds it in full."""
    lost, order.lost = order.lost, []
    if order.to_refund is not None or order.status in UNWANTED:
        return
    bought = await returns.returnable(tx, order)
    pieces = pieces_of(bought.lines, [parcel.lines or [] for parcel in lost], bought.gone())
    worth = bought.worth(pieces, order.currency)
    was_refunded_in_full = order.is_refunded_in_full
    refunded = bought.refunded_pieces(pieces)
    await refunds.request_worth(tx, order, worth, "lost by the carrier", traceparent=traceparent, pieces=refunded)
    order.money_moved(was_refunded_in_full, Cause(utcnow(), Actor.INVENTORY, reason="refunded in full"))


async def _locked(tx: Transaction, order_id: UUID, who: Principal, for_any: str) -> OrderState:
    """The order, if it is the caller's own, or the caller may change any order. Raises: NotFound, PermissionRevoked."""
    of = None if who.may(for_any) else who.user_id
    order = await queries.lock(tx, order_id, of=of) or not_found(Order, order_id)
    if order.customer_id != who.user_id:
        await account_status.check(tx, who, [for_any])
    return order


def _actor(order: OrderState, who: Principal) -> Actor:
    return Actor.CUSTOMER if order.customer_id == who.user_id else Actor.STAFF
