"""The job that deletes counted attempts and with them the client addresses."""

from datetime import timedelta

from order_service.payment_links import queries
from order_service.payment_links.use_cases import WINDOW
from service_kit.jobs import Job
from service_kit.runtime import Runtime


async def prune_invalid_attempts(runtime: Runtime) -> None:
    async with runtime.database.connection() as connection:
        await queries.PRUNE_INVALID.execute(connection, window=WINDOW)


JOBS = (Job("prune-invalid-link-attempts", prune_invalid_attempts, every=timedelta(minutes=5)),)
