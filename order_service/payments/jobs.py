"""What nobody calls for: payments that nobody heard of again, refunds, and tokens that came with an order."""

import asyncio
from datetime import timedelta
from uuid import UUID

from order_service.payments import queries, refunds, use_cases
from order_service.payments.gateway import Gateway
from order_service.payments.models import NotAwaitingPayment, NothingToPay, PaymentUnderWay
from service_kit.clock import utcnow
from service_kit.jobs import Job
from service_kit.problems import NotFound
from service_kit.runtime import Runtime

# As many as the gateway's client and the pool of connections carry at a time.
BATCH = 32


async def reconcile_payments(runtime: Runtime) -> None:
    """Asks about every payment that has been pending for too long."""
    gateway = runtime.resource(Gateway)
    taken = BATCH
    while taken == BATCH:
        now = utcnow()
        until = now + timedelta(seconds=gateway.timeout) + use_cases.BEYOND_TIMEOUT
        async with runtime.database.hot() as connection:
            due = await queries.take_due(connection, gateway.name, now, until, BATCH)
        await asyncio.gather(*(use_cases.reconcile(runtime, payment) for payment in due))
        taken = len(due)


async def pay_by_tokens(runtime: Runtime) -> None:
    """Pays the orders whose stock has been reserved since, with the tokens that they came with."""
    found = BATCH
    while found == BATCH:
        async with runtime.database.hot() as connection:
            due = await queries.tokens_due(connection, BATCH)
        paid = await asyncio.gather(*(_pay(runtime, *one) for one in due))
        # Those that could not be opened are found again: then it is for the next run.
        found = len(due) if all(paid) else 0


async def _pay(runtime: Runtime, order_id: UUID, token: str, user_id: UUID) -> bool:
    """Whether a payment was opened; if not, somebody else was faster, or the order ended meanwhile."""
    try:
        await use_cases.pay_by_token(runtime, order_id, token, user_id)
    except (NotAwaitingPayment, NothingToPay, PaymentUnderWay, NotFound):
        return False
    return True


JOBS = (
    Job("pay-by-token", pay_by_tokens, every=timedelta(milliseconds=250)),
    Job("reconcile-payments", reconcile_payments, every=timedelta(seconds=1)),
    Job(refunds.JOB, refunds.run, every=timedelta(seconds=1)),
)
