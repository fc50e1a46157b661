"""The job that drops expired drafts."""

from datetime import timedelta

from order_service.drafts import queries
from service_kit.clock import utcnow
from service_kit.jobs import Job
from service_kit.runtime import Runtime

BATCH = 200


async def drop_expired(runtime: Runtime) -> bool:
    """Drops a batch; returns whether there may be more."""
    async with runtime.database.connection() as connection:
        return await queries.drop_expired(connection, utcnow(), BATCH) == BATCH


JOBS = (Job("drop-expired-drafts", drop_expired, every=timedelta(minutes=1)),)
