"""Counts again and again which products are bought together."""

from datetime import timedelta

from product_service.related import queries
from service_kit.jobs import Job
from service_kit.runtime import Runtime

EVERY = timedelta(hours=1)
BATCH = 200
"""How many products one transaction counts."""
LIMITS = {
    "half_life": timedelta(weeks=13), "oldest": timedelta(days=365), "most_products": 20, "least_orders": 2,
}  # fmt: skip


async def count_bought_together(runtime: Runtime) -> bool:
    """Counts one batch. Returns whether there may be more. A batch and the place where the next one begins are one
    transaction, so that another process continues after a crash."""
    async with runtime.database.transaction() as tx:
        await queries.begin_round(tx, EVERY)
        after_id = await queries.lock_round(tx)
        if after_id is None:
            return False
        products = await queries.next_products(tx, after_id, BATCH)
        await queries.count(tx, products, **LIMITS)
        await queries.save_round(tx, products[-1] if len(products) == BATCH else None)
    return len(products) == BATCH


JOBS = [Job("count-bought-together", count_bought_together, every=timedelta(minutes=1))]
