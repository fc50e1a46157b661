"""What the product service tells us."""

from contracts.events.products import ProductChanged, ProductDeleted
from inventory_service.catalogue import queries
from service_kit.database import Transaction
from service_kit.messaging import consumes


@consumes(ProductChanged, batch=True)
@consumes(ProductDeleted, batch=True)
async def on_product_events(tx: Transaction, events: list[ProductChanged | ProductDeleted]) -> None:
    """Our own copy of the catalogue; its order is judged by `version`."""
    await queries.remember(
        tx,
        [
            queries.Snapshot(event.product_id, event.sku, event.name, event.status, event.version)
            if isinstance(event, ProductChanged)
            else queries.deleted(event.product_id, event.version)
            for event in events
        ],
    )
