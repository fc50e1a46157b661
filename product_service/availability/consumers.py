"""What inventory says about stock."""

from contracts.events.stock_levels import StockChanged
from product_service.availability import queries
from service_kit.database import Transaction
from service_kit.messaging import consumes


@consumes(StockChanged, batch=True)
async def on_stock_changed(tx: Transaction, events: list[StockChanged]) -> None:
    """Shown with the products; the latest version of each counts."""
    await queries.remember(tx, events)
