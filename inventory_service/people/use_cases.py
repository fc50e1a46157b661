"""What becomes of the data of those whose accounts were erased."""

from inventory_service.people import queries
from service_kit.runtime import Runtime
from service_kit.security import standing


async def forget_erased(runtime: Runtime) -> None:
    """A job: parcels that have left since need no address any more."""
    async with runtime.database.hot_tx() as tx:
        if erased := await standing.erased_lately(tx):
            await queries.forget(tx, erased)
