"""Copies the stock levels of the inventory service, on which price rules depend."""

from contracts.events.stock_levels import StockChanged
from product_service.availability import queries as availability
from product_service.price_rules import queries, use_cases
from service_kit.clock import utcnow
from service_kit.database import Transaction
from service_kit.database.signals import signal
from service_kit.messaging import consumes


@consumes(StockChanged, batch=True)
async def on_stock_changed(tx: Transaction, events: list[StockChanged]) -> None:
    """Stores the level of each product, unless a newer version is stored, and queues the products for the rules."""
    await availability.upsert(tx, events)
    if await queries.queue_products(tx, {event.product_id for event in events}, utcnow()):
        signal(tx, use_cases.SIGNAL)
