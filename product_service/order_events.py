"""Copies what is ordered from the events of the order service: who has bought what, and the demand for products."""

from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from contracts.events.order_notification import (
    OrderCancelled,
    OrderDelivered,
    OrderEvent,
    OrderExpired,
    OrderPlaced,
    OrderRejected,
    OrderReturned,
)
from product_service.price_rules import demand
from product_service.purchases import queries as purchases
from product_service.purchases.models import Purchase
from service_kit.database import Transaction
from service_kit.messaging import Envelope, consumes

_ENDED = (OrderRejected, OrderCancelled, OrderExpired)


@consumes(OrderPlaced, batch=True)
@consumes(OrderDelivered, batch=True)
@consumes(OrderReturned, batch=True)
@consumes(OrderRejected, batch=True)
@consumes(OrderCancelled, batch=True)
@consumes(OrderExpired, batch=True)
async def on_order_events(tx: Transaction, events: list[OrderEvent], envelopes: list[Envelope]) -> None:
    """The steps of one order are in this sequence, whichever of them are in the batch."""
    pairs = zip(events, envelopes, strict=True)
    placed = [
        each for event, envelope in pairs if isinstance(event, OrderPlaced) for each in _purchases(event, envelope)
    ]
    if placed:
        await purchases.add(tx, placed)
        await demand.count(tx, ((each.product_id, each.ordered_at.date(), each.quantity) for each in placed))
    if delivered := _ids(events, OrderDelivered):
        await purchases.deliver(tx, delivered)
    if returned := _ids(events, OrderReturned):
        await purchases.take_back(tx, returned)
    if ended := _ids(events, *_ENDED):
        await purchases.delete(tx, ended)


def _purchases(event: OrderPlaced, envelope: Envelope) -> Iterable[Purchase]:
    pieces: Counter[UUID] = Counter()
    for line in event.lines:
        pieces[line.product_id] += line.quantity
    return [
        Purchase(
            order_id=event.order_id,
            product_id=product_id,
            customer_id=event.customer_id,
            quantity=quantity,
            ordered_at=envelope.time,
        )
        for product_id, quantity in pieces.items()
    ]


def _ids(events: Iterable[OrderEvent], *kinds: type[OrderEvent]) -> list[UUID]:
    return sorted({event.order_id for event in events if isinstance(event, kinds)})
