"""Adds new orders to what searches find, a moment after they were placed; after an upgrade, all earlier ones first."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from order_service.search import queries
from service_kit.clock import utcnow
from service_kit.jobs import Job
from service_kit.runtime import Runtime

BATCH = 500
OVERLAP = timedelta(minutes=1)
"""Longer than any statement may take: ids are made before their orders are committed, and so not in that sequence."""


async def add_orders(runtime: Runtime) -> bool:
    """Adds a batch in ascending order of their ids; returns whether there may be more."""
    async with runtime.database.transaction() as tx:
        newest = await queries.NEWEST.fetchval(tx)
        added = await queries.ADD.fetch(tx, after=_begin(newest), limit=BATCH)
    return len(added) == BATCH


def _begin(newest: UUID | None) -> UUID:
    """The id after which orders may be missing. Not after now, even if the clock of a process is fast."""
    if newest is None:
        return UUID(int=0)
    made = datetime.fromtimestamp(min((newest.int >> 80) / 1000, utcnow().timestamp()), UTC)
    return queries.first_id(made - OVERLAP)


JOBS = (Job("add-orders-to-search", add_orders, every=timedelta(seconds=2)),)
