"""Removes deleted groups from their members in batches, so that no transaction publishes the events of all of them."""

from datetime import timedelta

from service_kit.jobs import Job
from service_kit.runtime import Runtime
from user_service.customer_groups import use_cases

BATCH = 200


async def forget_deleted(runtime: Runtime) -> bool:
    """Handles one batch. Returns whether there may be more."""
    async with runtime.database.session() as tx:
        return await use_cases.forget_deleted(tx, BATCH)


FORGET_DELETED = Job(
    "forget-deleted-customer-groups", forget_deleted, every=timedelta(minutes=1), woken_by=use_cases.GROUP_DELETED
)
