"""Fills the sort keys that a process of an earlier version left out while a new one was being rolled out."""

from datetime import timedelta

from product_service.products import queries
from product_service.products.sort_key import sort_key
from service_kit.jobs import Job
from service_kit.runtime import Runtime

BATCH = 500


async def fill_sort_keys(runtime: Runtime) -> bool:
    """One batch; whether there is more."""
    async with runtime.database.transaction() as tx:
        names = await queries.lock_without_sort_key(tx, BATCH)
        await queries.set_sort_keys(tx, {id: sort_key(name) for id, name in names.items()})
    return len(names) == BATCH


FILL_SORT_KEYS = Job("fill-sort-keys", fill_sort_keys, every=timedelta(minutes=1))
