"""Jobs that issue invoices, and erase the personal data of old ones."""

from datetime import timedelta

from order_service.invoices import queries, use_cases
from order_service.settings import Settings
from service_kit.clock import utcnow
from service_kit.jobs import Job
from service_kit.runtime import Runtime

BATCH = 100
ERASED_AT_ONCE = 1_000


async def apply_policy(runtime: Runtime) -> None:
    """Stores whether and when orders are invoiced, as the settings of this process have it."""
    settings = runtime.resource(Settings)
    async with runtime.database.connection() as connection:
        if settings.issues_invoices:
            await queries.SET_POLICY.execute(connection, issue_at=settings.invoice_at)
        else:
            await queries.DELETE_POLICY.execute(connection)


async def issue(runtime: Runtime) -> bool:
    """Issues a batch of invoices and credit notes; returns whether there may be more."""
    settings = runtime.resource(Settings)
    if not settings.issues_invoices:
        return False
    async with runtime.database.transaction() as tx:
        return await use_cases.issue(tx, settings, BATCH)


async def erase_recipients(runtime: Runtime) -> bool:
    """Deletes names and addresses of invoices that the law no longer requires; returns whether there may be more."""
    retention = runtime.resource(Settings).invoice_retention
    async with runtime.database.transaction() as tx:
        return await queries.erase_recipients(tx, utcnow(), retention, ERASED_AT_ONCE) == ERASED_AT_ONCE


JOBS = (
    Job("apply-invoice-policy", apply_policy, every=timedelta(days=1), before_ready=True),
    Job("issue-invoices", issue, every=timedelta(seconds=1)),
    Job("erase-recipients-of-invoices", erase_recipients, every=timedelta(hours=1)),
)
