"""Events of the product service."""

from contracts.events.products import ProductChanged, ProductDeleted
from inventory_service.catalogue import queries
from inventory_service.catalogue.models import DELETED, Product
from service_kit.database import Transaction
from service_kit.messaging import consumes


@consumes(ProductChanged, batch=True)
@consumes(ProductDeleted, batch=True)
async def on_product_events(tx: Transaction, events: list[ProductChanged | ProductDeleted]) -> None:
    """Updates the products in the copy of the catalogue for which an event has a newer `version`."""
    await queries.STORE_NEWER.execute(tx, snapshots=[_product(event) for event in events])


def _product(event: ProductChanged | ProductDeleted) -> Product:
    """The row of an event. A deletion has no names: STORE_NEWER keeps the last ones, which are shown with the stock."""
    if isinstance(event, ProductDeleted):
        return Product(product_id=event.product_id, sku="", name="", status=DELETED, version=event.version)
    return Product(**event.model_dump(include=set(Product.model_fields)))
