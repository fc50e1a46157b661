"""The events of a return; each belongs to a step of its order, and has the order's version."""

from typing import Any

from contracts.events import inventory_deduction as requests
from contracts.events import order_notification as steps
from contracts.events.base import Event
from contracts.quantity import ProductQuantity
from order_service.orders.events import common_fields
from order_service.orders.lifecycle import EventKind, OrderState, PendingEvent
from order_service.returns.models import Return

STEPS: dict[EventKind, type[steps.ReturnEvent]] = {
    EventKind.RETURN_REQUESTED: steps.ReturnRequested,
    EventKind.RETURN_APPROVED: steps.ReturnApproved,
    EventKind.RETURN_REFUSED: steps.ReturnRefused,
}


def of(returned: Return, order: OrderState, pending: PendingEvent) -> Event:
    """With `returned` bound, this is the `context` of the step that moves the order (see `orders.events`)."""
    if pending.kind is EventKind.EXPECT_RETURN:
        return requests.ReturnExpected(
            order_id=order.id,
            version=pending.version,
            customer_id=order.customer_id,
            number=order.number,
            return_id=returned.id,
            # Each product once: a warehouse does not know the order's lines.
            lines=[ProductQuantity(product_id=id, quantity=quantity) for id, quantity in returned.pieces().items()],
        )
    fields = ("product_id", "quantity", "position")
    lines = [{name: line[name] for name in fields} for line in returned.lines]
    why: dict[str, Any] = {"reason": pending.reason} if pending.reason else {}
    return STEPS[pending.kind](**common_fields(order, pending), return_id=returned.id, lines=lines, **why)
