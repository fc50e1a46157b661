"""Deletes guests that nobody uses and that nobody can write to."""

from datetime import timedelta

from service_kit.jobs import Job
from service_kit.runtime import Runtime
from user_service.guests import use_cases
from user_service.settings import Settings

BATCH = 100


async def delete_unused(runtime: Runtime) -> bool:
    """Handles one batch. Returns whether there may be more."""
    unused_for = timedelta(days=runtime.resource(Settings).guest_days)
    async with runtime.database.session() as tx:
        return await use_cases.delete_unused(tx, unused_for, BATCH)


DELETE_UNUSED = Job("delete-unused-guests", delete_unused, every=timedelta(hours=1))
