"""Asks registries about tax ids, outside of any request and any transaction."""

from datetime import timedelta

import structlog

from order_service.taxes import queries
from order_service.taxes.models import DueTaxId, TaxIdState
from order_service.taxes.registries.port import RegistryUnreachable, TaxIdRegistries, TaxIdRegistry
from service_kit.clock import utcnow
from service_kit.jobs import Job, all_of
from service_kit.queue import Backoff
from service_kit.runtime import Runtime

log = structlog.get_logger(__name__)

BATCH = 5
"""So many numbers are asked about at a time: member states limit concurrent requests."""
LEASE = timedelta(minutes=2)
"""Until then no other process asks about the number. It is longer than any call."""
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)
CHECKED_AGAIN = timedelta(days=30)
"""A valid number is asked about again after this time, since businesses end."""


async def check_tax_ids(runtime: Runtime) -> bool:
    """Asks about the numbers that are due. Returns whether there may be more."""
    has_more = False
    for registry in runtime.resource(TaxIdRegistries):
        async with runtime.database.connection() as connection:
            due = await queries.take_due(connection, registry.prefixes, BATCH, LEASE)
        await all_of(_check(runtime, registry, each) for each in due)
        has_more |= len(due) == BATCH
    return has_more


async def _check(runtime: Runtime, registry: TaxIdRegistry, due: DueTaxId) -> None:
    now = utcnow()
    reference, check_at = None, None
    try:
        answer = await registry.check(due.number)
    except RegistryUnreachable as error:
        log.warning("tax_id_registry_unreachable", registry=registry.name, error=str(error))
        state, check_at = TaxIdState.UNREACHABLE, now + Backoff(due.next_wait(FIRST_WAIT), LONGEST_WAIT).wait(0)
    else:
        state, reference = TaxIdState.VALID if answer.is_valid else TaxIdState.INVALID, answer.reference
        if answer.is_valid:
            check_at = now + CHECKED_AGAIN
    async with runtime.database.connection() as connection:
        await queries.SETTLE.execute(connection, due=due, state=state, now=now, check_at=check_at, reference=reference)


JOBS = [Job("check-tax-ids", check_tax_ids, every=timedelta(seconds=10), woken_by=queries.TAX_ID_CHANGED)]
