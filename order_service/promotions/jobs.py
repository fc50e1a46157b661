"""Background jobs of promotions: their end, the deletion of their customers, and the comparison of their books."""

from datetime import timedelta

import structlog
from prometheus_client import Gauge

from order_service.promotions import queries
from order_service.promotions.guesses import WINDOW
from service_kit.clock import utcnow
from service_kit.jobs import Job
from service_kit.runtime import Runtime

log = structlog.get_logger(__name__)

KEEP_CUSTOMERS = timedelta(days=30)
"""How long after its end a promotion knows who has used it: an order may still be cancelled until then."""
BATCH = 1000
BOOKS_DIFFER = Gauge(
    "books_differ",
    "Counters that differ from the rows that they count, at the last comparison; the same in every process: max",
    ["book"],
)


async def end_promotions(runtime: Runtime) -> None:
    """Ends the promotions whose `ends_at` has passed. Orders don't use them since then, without this job."""
    async with runtime.database.transaction() as tx:
        now = utcnow()
        # An UPDATE without rows would still raise the version of the rules, and all processes would load them again.
        if over := [id for (id,) in await queries.OVER.fetch(tx, now=now)]:
            await queries.END.execute(tx, ids=over, now=now)


async def forget_customers(runtime: Runtime) -> bool:
    """Deletes who has used a promotion that has ended long ago; returns whether there is more to do."""
    async with runtime.database.transaction() as tx:
        before = utcnow() - KEEP_CUSTOMERS
        promotion_id = await queries.TO_FORGET.fetchval(tx, before=before)
        if promotion_id is None:
            return False
        batch = {"promotion_id": promotion_id, "limit": BATCH}
        # The counters go first: `check_books` compares those that exist with the redemptions.
        deleted = await queries.DELETE_CUSTOMERS.execute(tx, **batch)
        deleted = deleted or await queries.DELETE_CUSTOMER_KEYS.execute(tx, **batch)
        if not deleted:
            await queries.FORGOTTEN.execute(tx, promotion_id=promotion_id, now=utcnow())
    return True


async def check_books(runtime: Runtime) -> None:
    """Compares the counters of uses with the redemptions. A difference is reported and never repaired: it shows a
    fault, and a repair would hide it."""
    for book, statement in queries.BOOKS.items():
        async with runtime.database.session() as tx:
            found = await statement.fetch(tx, limit=BATCH)
        BOOKS_DIFFER.labels(book).set(len(found))
        for id, used, redeemed in found:
            log.error("books_differed", book=book, id=str(id), used=used, redeemed=redeemed)


async def prune_guesses(runtime: Runtime) -> None:
    """Deletes guesses that no longer count."""
    async with runtime.database.transaction() as tx:
        await queries.PRUNE_GUESSES.execute(tx, before=utcnow() - WINDOW)


JOBS = (
    Job("end-promotions", end_promotions, every=timedelta(minutes=1)),
    Job("forget-promotion-customers", forget_customers, every=timedelta(hours=1)),
    Job("check-promotion-books", check_books, every=timedelta(days=1)),
    Job("prune-code-guesses", prune_guesses, every=timedelta(minutes=1)),
)
