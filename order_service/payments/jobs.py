"""What nobody calls for: payments that nobody heard of again, refunds, and tokens that came with an order."""

import asyncio
from collections.abc import Coroutine, Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from order_service.payments import queries, refunds, use_cases
from order_service.payments.gateway import Gateway
from order_service.payments.models import NotAwaitingPayment, NothingToPay, PaymentUnderWay
from order_service.payments.use_cases import call_ends
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
        async with runtime.database.hot() as connection:
            due = await queries.take_due(connection, gateway.name, utcnow(), call_ends(gateway), BATCH)
        await _all(use_cases.reconcile(runtime, payment) for payment in due)
        taken = len(due)


async def carry_out_refunds(runtime: Runtime) -> None:
    """Asks the gateway for every refund that is due."""
    gateway = runtime.resource(Gateway)
    taken = BATCH
    while taken == BATCH:
        async with runtime.database.hot() as connection:
            due = await queries.take_due_refunds(connection, gateway.name, utcnow(), call_ends(gateway), BATCH)
        await _all(refunds.carry_out(runtime, refund, charge_id) for refund, charge_id in due)
        taken = len(due)


async def pay_by_tokens(runtime: Runtime) -> None:
    """Pays the orders whose stock has been reserved since, with the tokens that they came with."""
    found = BATCH
    while found == BATCH:
        async with runtime.database.hot() as connection:
            due = await queries.tokens_due(connection, BATCH)
        opened = await _all(_pay(runtime, *one) for one in due)
        # Those that could not be opened would be found again at once: they are for the next run.
        found = len(due) if all(opened) else 0


async def _pay(runtime: Runtime, order_id: UUID, token: str, user_id: UUID) -> bool:
    """Whether a payment was opened; if not, somebody else was faster, or the order ended meanwhile."""
    try:
        await use_cases.pay_by_token(runtime, order_id, token, user_id)
    except (NotAwaitingPayment, NothingToPay, PaymentUnderWay, NotFound):
        return False
    return True


async def _all(work: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """Does all of it at once. One that fails keeps none of the others from ending, and fails the job after them."""
    done = await asyncio.gather(*work, return_exceptions=True)
    for result in done:
        if isinstance(result, BaseException):
            raise result
    return done


JOBS = (
    Job("pay-by-token", pay_by_tokens, every=timedelta(milliseconds=250)),
    Job("reconcile-payments", reconcile_payments, every=timedelta(seconds=1)),
    Job(refunds.JOB, carry_out_refunds, every=timedelta(seconds=1)),
)
