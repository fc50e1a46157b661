"""Checks that products exist before their stock is booked."""

from collections.abc import Iterable
from uuid import UUID

from inventory_service.catalogue import queries
from inventory_service.catalogue.models import DELETED, ProductDeleted, ProductUnknown
from service_kit.database import Transaction


async def check_known(tx: Transaction, product_ids: Iterable[UUID]) -> None:
    """Raises: ProductUnknown, ProductDeleted."""
    wanted = sorted(set(product_ids))
    statuses = dict(await queries.STATUSES.fetch(tx, product_ids=wanted))
    if unknown := [str(product_id) for product_id in wanted if product_id not in statuses]:
        raise ProductUnknown(product_ids=unknown, retry_after=1)
    if deleted := [str(product_id) for product_id in wanted if statuses[product_id] == DELETED]:
        raise ProductDeleted(product_ids=deleted)
