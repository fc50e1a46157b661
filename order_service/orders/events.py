"""The events of an order that has moved. `placing` builds its first two, `returns.events` those of its returns."""

from collections.abc import Sequence
from typing import Any

from contracts.address import Address
from contracts.events import inventory_deduction as requests
from contracts.events import order_notification as steps
from contracts.events.base import Event
from contracts.money import Money
from contracts.quantity import ProductQuantity
from order_service.orders import reading
from order_service.orders.lifecycle import OrderState, Said, Saying
from service_kit.database import HotTx
from service_kit.messaging import outbox

STEPS: dict[Said, type[steps.OrderEvent]] = {
    Said.PAID: steps.OrderPaid,
    Said.EXPIRED: steps.OrderExpired,
    Said.DELIVERED: steps.OrderDelivered,
    Said.COMPLETED: steps.OrderCompleted,
    Said.RETURNED: steps.OrderReturned,
}
RETURNS = frozenset({Said.RETURN_REQUESTED, Said.RETURN_APPROVED, Said.RETURN_REFUSED, Said.EXPECT_RETURN})
"""Built by their own domain: the context of their cause is a function for that."""
NEED_LINES = frozenset({Said.FULFIL, Said.REJECTED})


async def of(tx: HotTx, orders: Sequence[OrderState]) -> outbox.Columns:
    """Everything that these orders said since they were loaded, each order's in its own order."""
    wanting = [order.id for order in orders if any(saying.said in NEED_LINES for saying in order.sayings)]
    lines = await reading.lines_of(tx, wanting) if wanting else {}
    events, traceparents = [], []
    for order in orders:
        for saying in order.sayings:
            events.append(_event(order, saying, lines.get(order.id, [])))
            traceparents.append(saying.traceparent)
    known = any(traceparents)
    return outbox.columns(events, traceparents if known else None)


def _event(order: OrderState, saying: Saying, lines: Sequence[Any]) -> Event:
    if saying.said is Said.RELEASE:
        reason = saying.reason or f"the order is {order.status}"
        return requests.ReleaseRequested(order_id=order.id, version=saying.version, reason=reason)
    if saying.said is Said.FULFIL:
        return requests.FulfilmentRequested(
            order_id=order.id,
            version=saying.version,
            customer_id=order.customer_id,
            number=order.number,
            lines=[ProductQuantity(product_id=line["product_id"], quantity=line["quantity"]) for line in lines],
            ship_to=Address.model_validate(order.ship_to),
        )
    if saying.said in RETURNS:
        event: Event = saying.context(order, saying)
        return event
    if saying.said is Said.REFUNDED:
        return requests.FulfilmentRefunded(order_id=order.id, version=saying.version, refunded=order.is_given_back)
    return _step(order, saying, lines)


def common_fields(order: OrderState, saying: Saying) -> dict[str, Any]:
    """What every event on `order_notification` says."""
    return {
        "order_id": order.id,
        "version": saying.version,
        "number": order.number,
        "customer_id": order.customer_id,
        "total": Money(amount=order.total, currency=order.currency),
    }


def _step(order: OrderState, saying: Saying, lines: Sequence[Any]) -> steps.OrderEvent:
    common = common_fields(order, saying)
    match saying.said:
        case Said.AWAITING_PAYMENT:
            return steps.OrderAwaitingPayment(**common, pay_by=order.pay_by, automatic_payment=order.pays_by_itself)
        case Said.REJECTED:
            return steps.OrderRejected(**common, lines=_lacking(saying.context, lines))
        case Said.CANCELLED:
            return steps.OrderCancelled(**common, reason=saying.reason)
        case Said.SHIPPED:
            parcel = saying.context
            return steps.OrderShipped(
                **common,
                partial=saying.partial,
                shipment_id=parcel.id,
                carrier=parcel.carrier or "",
                tracking_number=parcel.tracking_number or "",
            )
        case said:
            return STEPS[said](**common)


def _lacking(event: requests.ReservationRejected, lines: Sequence[Any]) -> list[steps.LackingLine]:
    """What inventory lacks, in the words that the customer ordered it by."""
    words = {line["product_id"]: (line["sku"], line["name"]) for line in lines}
    return [
        steps.LackingLine(
            product_id=lack.product_id,
            sku=words[lack.product_id][0],
            name=words[lack.product_id][1],
            requested=lack.requested,
            available=lack.available,
        )
        for lack in event.lines
        if lack.product_id in words
    ]
