"""The events of an order's transitions. `placing` builds the first two, `returns.events` those of returns."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from contracts.address import Address
from contracts.events import inventory_deduction as requests
from contracts.events import order_notification as steps
from contracts.events.base import Event
from contracts.money import Money
from contracts.quantity import ProductQuantity
from order_service.orders.lifecycle import EventKind, OrderState, PendingEvent
from service_kit.messaging import outbox

STEPS: dict[EventKind, type[steps.OrderEvent]] = {
    EventKind.PAID: steps.OrderPaid,
    EventKind.EXPIRED: steps.OrderExpired,
    EventKind.DELIVERED: steps.OrderDelivered,
    EventKind.COMPLETED: steps.OrderCompleted,
    EventKind.RETURNED: steps.OrderReturned,
}
RETURNS = frozenset(
    {EventKind.RETURN_REQUESTED, EventKind.RETURN_APPROVED, EventKind.RETURN_REFUSED, EventKind.EXPECT_RETURN}
)
"""The domain `returns` builds these: their `context` is its function for that."""
NEED_LINES = frozenset({EventKind.FULFIL, EventKind.REJECTED})


def of(orders: Sequence[OrderState], lines: Mapping[UUID, Sequence[Any]]) -> list[outbox.Row]:
    """The pending events of these orders; `lines` are needed for orders with an event of `NEED_LINES`."""
    events, traceparents = [], []
    for order in orders:
        for pending in order.pending_events:
            events.append(_event(order, pending, lines.get(order.id, [])))
            traceparents.append(pending.traceparent)
    return outbox.rows(events, traceparents if any(traceparents) else None)


def _event(order: OrderState, pending: PendingEvent, lines: Sequence[Any]) -> Event:
    if pending.kind is EventKind.RELEASE:
        reason = pending.reason or f"the order is {order.status}"
        return requests.ReleaseRequested(order_id=order.id, version=pending.version, reason=reason)
    if pending.kind is EventKind.FULFIL:
        return requests.FulfilmentRequested(
            order_id=order.id,
            version=pending.version,
            customer_id=order.customer_id,
            number=order.number,
            lines=[ProductQuantity(product_id=line["product_id"], quantity=line["quantity"]) for line in lines],
            ship_to=Address.model_validate(order.ship_to),
            **_shipping(order.shipping),
        )
    if pending.kind in RETURNS:
        event: Event = pending.context(order, pending)
        return event
    if pending.kind is EventKind.REFUNDED:
        return requests.FulfilmentRefunded(
            order_id=order.id, version=pending.version, refunded=order.is_refunded_in_full
        )
    return _step(order, pending, lines)


def _shipping(chosen: dict[str, Any] | None) -> dict[str, Any]:
    if chosen is None:
        return {}
    method = requests.ShippingMethod(code=chosen["method"], name=chosen["name"])
    return {"shipping": method, "only_warehouse_id": chosen.get("warehouse_id")}


def common_fields(order: OrderState, pending: PendingEvent) -> dict[str, Any]:
    """The fields of every event on `order_notification`."""
    return {
        "order_id": order.id,
        "version": pending.version,
        "number": order.number,
        "customer_id": order.customer_id,
        "total": Money(amount=order.total, currency=order.currency),
    }


def _step(order: OrderState, pending: PendingEvent, lines: Sequence[Any]) -> steps.OrderEvent:
    common = common_fields(order, pending)
    match pending.kind:
        case EventKind.AWAITING_PAYMENT:
            return steps.OrderAwaitingPayment(**common, pay_by=order.pay_by, automatic_payment=order.pays_automatically)
        case EventKind.REJECTED:
            return steps.OrderRejected(**common, lines=_lacking(pending.context, lines))
        case EventKind.CANCELLED:
            return steps.OrderCancelled(**common, reason=pending.reason)
        case EventKind.SHIPPED:
            parcel = pending.context
            return steps.OrderShipped(
                **common,
                partial=pending.partial,
                shipment_id=parcel.id,
                carrier=parcel.carrier or "",
                tracking_number=parcel.tracking_number or "",
            )
        case kind:
            return STEPS[kind](**common)


def _lacking(event: requests.ReservationRejected, lines: Sequence[Any]) -> list[steps.LackingLine]:
    """The products that inventory lacks, with their SKU and name at the time of the order."""
    words = {line["product_id"]: (line["sku"], line["name"]) for line in lines}
    return [
        steps.LackingLine(
            product_id=shortage.product_id,
            sku=words[shortage.product_id][0],
            name=words[shortage.product_id][1],
            requested=shortage.requested,
            available=shortage.available,
        )
        for shortage in event.lines
        if shortage.product_id in words
    ]
