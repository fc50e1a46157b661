"""Fills sort keys that are missing, since a process of an earlier version may have added products during a deployment,
and publishes products again whose category was moved, or when an operator requests it."""

from datetime import timedelta

from product_service.products import queries, use_cases
from product_service.products.sort_key import sort_key
from service_kit.jobs import Job
from service_kit.runtime import Runtime

BATCH = 500
AGAIN = 100
"""How many products one transaction publishes again. It locks them, so that a change of one of them waits for it."""


async def fill_sort_keys(runtime: Runtime) -> bool:
    """Fills one batch. Returns whether there may be more."""
    async with runtime.database.session() as tx:
        products = await queries.lock_without_sort_key(tx, BATCH)
        for product in products:
            product.sort_key = sort_key(product.name)
    return len(products) == BATCH


async def publish_again(runtime: Runtime) -> bool:
    """Publishes one batch. Returns whether there may be more. A batch and the place where the next one begins are one
    transaction, so that another process continues after a crash."""
    async with runtime.database.session() as tx:
        return await use_cases.publish_again(tx, AGAIN)


JOBS = [
    Job("fill-sort-keys", fill_sort_keys, every=timedelta(minutes=1)),
    Job("publish-products-again", publish_again, every=timedelta(seconds=5)),
]
