"""Updates our copies from snapshot events; the newest version wins."""

from contracts.events.products import ProductChanged, ProductDeleted
from contracts.events.stock_levels import StockChanged
from order_service.catalogue import queries
from service_kit.database import Transaction
from service_kit.messaging import consumes


@consumes(ProductChanged, batch=True)
async def on_products_changed(tx: Transaction, events: list[ProductChanged]) -> None:
    """Updates our copy of the catalogue, which sets the prices of orders."""
    await queries.upsert_products(tx, events)


@consumes(ProductDeleted, batch=True)
async def on_products_deleted(tx: Transaction, events: list[ProductDeleted]) -> None:
    """Deleted products can't be ordered any more."""
    await queries.DELETE_PRODUCTS.execute(tx, gone=events)


@consumes(StockChanged, batch=True)
async def on_stock_changed(tx: Transaction, events: list[StockChanged]) -> None:
    """Updates our copy of the stock levels, which carts show."""
    await queries.UPSERT_STOCK_LEVELS.execute(tx, events=events)
