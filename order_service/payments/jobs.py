"""Background jobs: payments without an outcome, refunds, and tokens that came with an order."""

from datetime import timedelta
from uuid import UUID

from prometheus_client import Gauge

from order_service.payments import attempt_queries, call_queries, queries, reconciliation, refund_settlement, refunds
from order_service.payments.gateways.registry import Gateways
from order_service.payments.limits import attempts_per_hour
from order_service.payments.opening import call_lease
from order_service.payments.tokens import TokenPayments
from order_service.settings import Settings
from service_kit.clock import utcnow
from service_kit.jobs import Job, all_of
from service_kit.runtime import Runtime

# As many as the gateway's client and the connection pool can handle at a time.
BATCH = 32
OVERDUE = Gauge(
    "payments_overdue",
    "Payments and refunds whose outcome is unknown for too long; the same in every process: max",
    ["kind"],
)


async def reconcile_payments(runtime: Runtime) -> None:
    """Asks the gateway about every open payment that is due."""
    for gateway in runtime.resource(Gateways).values():
        taken = BATCH
        while taken == BATCH:
            async with runtime.database.connection() as connection:
                due = await call_queries.take_due(connection, gateway.name, call_lease(gateway), BATCH)
            await all_of(reconciliation.reconcile(runtime, payment) for payment in due)
            taken = len(due)


async def carry_out_refunds(runtime: Runtime) -> None:
    """Asks the gateway for every refund that is due."""
    for gateway in runtime.resource(Gateways).values():
        taken = BATCH
        while taken == BATCH:
            async with runtime.database.connection() as connection:
                due = await queries.take_due_refunds(connection, gateway.name, call_lease(gateway), BATCH)
            await all_of(refund_settlement.carry_out(runtime, refund, charge_id) for refund, charge_id in due)
            taken = len(due)


async def pay_by_tokens(runtime: Runtime) -> None:
    """Pays the orders whose stock was reserved and whose payment was not begun at once, because a process crashed or
    its database was unavailable."""
    attempts = attempts_per_hour(runtime.resource(Settings))
    due: list[UUID] = []
    while True:
        async with runtime.database.connection() as connection:
            found = await attempt_queries.tokens_due(connection, BATCH, *attempts)
        if not found or found == due:  # those that could not be opened are found again; the next run tries them
            return
        due = found
        await runtime.resource(TokenPayments).pay(due)


async def count_overdue(runtime: Runtime) -> None:
    """Counts the payments and refunds of which the gateway has said nothing for `ORDER_STUCK_AFTER`."""
    async with runtime.database.connection() as connection:
        payments, refunds = await queries.count_overdue(connection, utcnow() - runtime.resource(Settings).stuck_after)
    OVERDUE.labels("payment").set(payments)
    OVERDUE.labels("refund").set(refunds)


async def prune_client_addresses(runtime: Runtime) -> None:
    """A payment's client address is kept for the hour in which attempts are counted."""
    async with runtime.database.connection() as connection:
        await attempt_queries.PRUNE_CLIENT_ADDRESSES.execute(connection)


JOBS = (
    Job("pay-by-token", pay_by_tokens, every=timedelta(seconds=1)),
    Job(reconciliation.JOB, reconcile_payments, every=timedelta(seconds=1)),
    Job("count-overdue-payments", count_overdue, every=timedelta(seconds=30)),
    Job("prune-client-addresses", prune_client_addresses, every=timedelta(minutes=5)),
    Job(refunds.JOB, carry_out_refunds, every=timedelta(seconds=1), woken_by=refunds.REQUESTED),
)
