"""Works through imports, and deletes old ones."""

from datetime import timedelta

from product_service.imports import queries, use_cases
from product_service.imports.models import Kind
from product_service.products.prior_prices import PriorPriceRule
from product_service.settings import Settings
from service_kit.database.faults import database_is_unavailable, may_be_retried
from service_kit.jobs import Job
from service_kit.runtime import Runtime


async def store(runtime: Runtime) -> bool:
    """Stores one batch of each kind. Returns whether there may be more."""
    return any([await _store(runtime, kind) for kind in Kind])


async def _store(runtime: Runtime, kind: Kind) -> bool:
    try:
        settings = runtime.resource(Settings)
        return await use_cases.store_next(runtime.database, kind, settings.locales, PriorPriceRule.of(settings))
    except Exception as error:
        if not (database_is_unavailable(error) or may_be_retried(error)):
            await use_cases.note_failure(runtime.database, kind, error)
        raise


async def delete_old(runtime: Runtime) -> None:
    async with runtime.database.session() as tx:
        await queries.delete_old(tx, use_cases.UNFINISHED, use_cases.KEPT)


JOBS = [
    Job("store-imports", store, every=timedelta(seconds=5), woken_by=use_cases.SIGNAL),
    Job("delete-old-imports", delete_old, every=timedelta(hours=1)),
]
