"""Copies the stock levels of the inventory service, and counts what is ordered: price rules depend on both."""

from collections import Counter
from datetime import date
from uuid import UUID

from contracts.events.order_notification import OrderPlaced
from contracts.events.stock_levels import StockChanged
from product_service.availability import queries as availability
from product_service.price_rules import queries, use_cases
from product_service.price_rules.models import ProductDemand
from service_kit.clock import utcnow
from service_kit.database import Transaction
from service_kit.database.signals import signal
from service_kit.messaging import consumes
from service_kit.messaging.envelope import Envelope


@consumes(StockChanged, batch=True)
async def on_stock_changed(tx: Transaction, events: list[StockChanged]) -> None:
    """Stores the level of each product, unless a newer version is stored, and queues the products for the rules."""
    await availability.upsert(tx, events)
    if await queries.queue_products(tx, {event.product_id for event in events}, utcnow()):
        signal(tx, use_cases.SIGNAL)


@consumes(OrderPlaced, batch=True)
async def on_orders_placed(tx: Transaction, events: list[OrderPlaced], envelopes: list[Envelope]) -> None:
    """Counts the ordered pieces of each product and day, and queues the products."""
    ordered = Counter[tuple[UUID, date]]()
    for event, envelope in zip(events, envelopes, strict=True):
        for line in event.lines:
            ordered[line.product_id, envelope.time.date()] += line.quantity
    demand = [ProductDemand(product_id=id, day=day, pieces=pieces) for (id, day), pieces in sorted(ordered.items())]
    await queries.ADD_DEMAND.execute(tx, demand=demand)
    if await queries.queue_products(tx, {each.product_id for each in demand}, utcnow()):
        signal(tx, use_cases.SIGNAL)
