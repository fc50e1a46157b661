"""Jobs that expire and complete orders, and detect stuck ones."""

from datetime import timedelta

import structlog
from prometheus_client import Gauge

from order_service.fulfilment import use_cases
from order_service.fulfilment.use_cases import Step
from order_service.orders import queries
from order_service.orders.lifecycle import Cause, Trigger
from order_service.orders.models import Actor
from order_service.settings import Settings
from service_kit.clock import utcnow
from service_kit.jobs import Job
from service_kit.runtime import Runtime

log = structlog.get_logger(__name__)

BATCH = 200
STUCK = Gauge("orders_stuck", "Orders that wait for another service for too long", ["reason"])


async def expire(runtime: Runtime) -> bool:
    """Expires a batch of the orders that were not paid by `pay_by`; returns whether there may be more."""
    async with runtime.database.transaction() as tx:
        now = utcnow()
        due = await queries.UNPAID_AND_DUE.fetch(tx, now=now, limit=BATCH)
        cause = Cause(now, Actor.CLOCK, reason="not paid in time")
        await use_cases.apply(tx, [Step(id, Trigger.PAY_BY_PASSED, cause) for (id,) in due])
    return len(due) == BATCH


async def complete(runtime: Runtime) -> bool:
    """Completes a batch of the delivered orders whose return window is over; returns whether there may be more."""
    async with runtime.database.transaction() as tx:
        now = utcnow()
        since = now - runtime.resource(Settings).return_window
        due = await queries.PAST_RETURN_WINDOW.fetch(tx, since=since, limit=BATCH)
        await use_cases.apply(tx, [Step(id, Trigger.RETURN_WINDOW_OVER, Cause(now, Actor.CLOCK)) for (id,) in due])
    return len(due) == BATCH


async def detect_stuck_orders(runtime: Runtime) -> None:
    """Marks the orders that wait for another service for too long, with the reason.

    Nothing is requested again: the outbox has delivered the request, or still will. A stuck order waits for a service
    that is down or for a dead letter, and a repeated request would only wait behind it.
    """
    async with runtime.database.transaction() as tx:
        since = utcnow() - runtime.resource(Settings).stuck_after
        for number, reason in await queries.MARK_STUCK.fetch(tx, since=since):
            log.warning("order_stuck", order=number, reason=reason)
        found = await queries.COUNT_STUCK.fetch(tx)
    STUCK.clear()
    for reason, count in found:
        STUCK.labels(reason).set(count)


JOBS = (
    Job("expire-unpaid", expire, every=timedelta(seconds=1)),
    Job("complete-delivered", complete, every=timedelta(seconds=5)),
    Job("detect-stuck-orders", detect_stuck_orders, every=timedelta(seconds=30)),
)
