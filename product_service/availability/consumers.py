"""Copies the stock levels that the inventory service publishes."""

from contracts.events.stock_levels import StockChanged
from product_service.availability import queries
from service_kit.database import Transaction
from service_kit.messaging import consumes


@consumes(StockChanged, batch=True)
async def on_stock_changed(tx: Transaction, events: list[StockChanged]) -> None:
    """Stores the level of each product, unless a newer version is stored."""
    await queries.upsert(tx, events)
