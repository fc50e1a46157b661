"""Releases withheld mails once their address is confirmed, unless they are obsolete."""

from datetime import timedelta

import structlog

from notification_service.deliveries import queries, withheld_queries
from notification_service.deliveries.models import Status
from notification_service.deliveries.withheld_queries import Rule
from notification_service.kinds import Kind
from notification_service.settings import Settings
from service_kit.database.signals import signal
from service_kit.jobs import Job
from service_kit.runtime import Runtime

BATCH = 100
_ENDED = (Kind.ORDER_REJECTED, Kind.ORDER_CANCELLED, Kind.ORDER_EXPIRED)
SUPERSEDED_BY = {
    Kind.ORDER_PLACED: _ENDED,
    Kind.ORDER_AWAITING_PAYMENT: (Kind.ORDER_PAID, *_ENDED),
    Kind.PAYMENT_FAILED: (Kind.ORDER_PAID, *_ENDED),
}
RULES = [Rule(kind, later) for kind, laters in SUPERSEDED_BY.items() for later in laters]
log = structlog.get_logger(__name__)


async def release_withheld(runtime: Runtime) -> bool:
    """Releases the mails of one batch of recipients. Returns whether there may be more."""
    max_age = timedelta(days=runtime.resource(Settings).withheld_mail_days)
    async with runtime.database.transaction() as tx:
        customer_ids = await withheld_queries.claim(tx, BATCH)
        found = await withheld_queries.release(tx, customer_ids, max_age, RULES) if customer_ids else []
        if found:
            signal(tx, queries.DUE)
    if found:
        released = found.count(Status.PENDING)
        log.info("withheld_mails_released", released=released, no_longer_of_use=len(found) - released)
    return len(customer_ids) == BATCH


RELEASE_WITHHELD = Job("release-withheld-mail", release_withheld, every=timedelta(seconds=0.5))
