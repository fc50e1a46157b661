"""Fills sort keys that are missing: a process of an earlier version may have added products during a deployment."""

from datetime import timedelta

from product_service.products import queries
from product_service.products.sort_key import sort_key
from service_kit.jobs import Job
from service_kit.runtime import Runtime

BATCH = 500


async def fill_sort_keys(runtime: Runtime) -> bool:
    """Fills one batch. Returns whether there may be more."""
    async with runtime.database.session() as tx:
        products = await queries.lock_without_sort_key(tx, BATCH)
        for product in products:
            product.sort_key = sort_key(product.name)
    return len(products) == BATCH


FILL_SORT_KEYS = Job("fill-sort-keys", fill_sort_keys, every=timedelta(minutes=1))
