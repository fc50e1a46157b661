"""Handles a gateway's answer about a payment: settles, captures or cancels the payment, or checks it again later.

Nothing here charges twice, even if several processes call it or one crashes: calls to the gateway are repeated with the
same idempotency key, and every report about a payment is booked once.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from order_service.payments import call_queries
from order_service.payments.gateways.port import (
    Charge,
    ChargeAnswer,
    ChargeRequest,
    NoResponse,
    PaymentGateway,
    Rejected,
)
from order_service.payments.gateways.registry import Gateways
from order_service.payments.models import ChargeReport, Payment, PaymentState, gateway_key
from order_service.payments.settlement import charge_report, report_of, settle
from service_kit.batching import Batching
from service_kit.clock import utcnow
from service_kit.database import Database
from service_kit.problems import Unavailable
from service_kit.runtime import Runtime
from service_kit.telemetry.tracing import continue_trace

log = structlog.get_logger(__name__)
JOB = "reconcile-payments"
AFTER_LOST_ANSWER = timedelta(seconds=1)
"""If the charge was made, its webhook usually arrives sooner."""
LONGEST_PAUSE = timedelta(minutes=5)


def charge_request(payment: Payment, token: str | None = None) -> ChargeRequest:
    key = gateway_key("payment", payment.id)
    return ChargeRequest(
        key, payment.amount, payment.currency, payment.order_id, token=token, charge_id=payment.gateway_charge_id
    )


async def reconcile(runtime: Runtime, payment: Payment) -> None:
    """Asks the gateway about a payment that this process has taken, and completes or settles it.

    If it was never charged it is charged now, unless the order no longer awaits payment, or the token was deleted since
    the gateway was unreachable and the customer's request failed.
    """
    gateway = runtime.resource(Gateways)[payment.gateway]
    async with runtime.database.connection() as connection:
        wanted, token, traceparent = await call_queries.wanted(connection, payment.order_id)
    with continue_trace(traceparent):
        answer = await gateway.resolve(charge_request(payment, token))
        if isinstance(answer, Charge):
            answer = await _complete(gateway, payment, answer, wanted=wanted)
        await note(runtime, payment, answer)


async def _complete(gateway: PaymentGateway, payment: Payment, charge: Charge, *, wanted: bool) -> Charge | NoResponse:
    """Captures an authorised charge. If the order no longer awaits payment (not `wanted`), cancels it, or a charge that
    waits for its customer.

    If the order ends at this moment, the captured money is refunded like any other that it does not want.
    """
    answer: ChargeAnswer
    if charge.state is PaymentState.AUTHORISED and wanted:
        answer = await gateway.capture(gateway_key("capture", payment.id), charge.id, charge.amount)
    elif charge.state in (PaymentState.AUTHORISED, PaymentState.ACTION_REQUIRED) and not wanted:
        answer = await gateway.cancel(gateway_key("cancel", payment.id), charge.id)
    else:
        return charge
    if isinstance(answer, Rejected):
        # The customer acted first, and the next check shows it. Otherwise the order expires, or staff handle it.
        log.warning("gateway_rejected", payment_id=str(payment.id), state=charge.state, reason=answer.reason)
        return NoResponse.LOST
    return answer


async def note(runtime: Runtime, payment: Payment, answer: ChargeAnswer | None) -> None:
    """Settles a decided payment, and checks any other again later. `answer` None: there is no charge, and there will be
    none."""
    match answer:
        case NoResponse():
            await _look_again(runtime, payment, next_check(payment))
        case Charge(state=PaymentState.PENDING):
            await _look_again(runtime, payment, next_check(payment), answer.id)
        case Charge() | Rejected() | None:
            settled = await runtime.resource(Settler).do(charge_report(payment, answer))
            if settled is not None and settled.is_open:
                await _look_again(runtime, settled, next_check(settled))
                wake_for(runtime, settled)


async def _look_again(runtime: Runtime, payment: Payment, check_at: datetime, charge_id: str | None = None) -> None:
    """Other processes may call the gateway about it from now on."""
    async with runtime.database.connection() as connection:
        await call_queries.note_call(connection, payment.id, check_at, charge_id)


def next_check(payment: Payment) -> datetime:
    """The longer a payment has been open, the longer the pause until its next check."""
    now = utcnow()
    return now + min(max(now - payment.created_at, AFTER_LOST_ANSWER), LONGEST_PAUSE)


def wake_for(runtime: Runtime, payment: Payment) -> None:
    """Makes the reconciler capture an authorised payment now, instead of at its next run."""
    if payment.status == PaymentState.AUTHORISED:
        runtime.jobs.wake(JOB)


async def take_in(runtime: Runtime, report: ChargeReport) -> None:
    """Books a gateway's report. A charge that was authorised after its payment was given up is cancelled.
    Raises: Unavailable, so that the gateway sends the report again."""
    payment = await runtime.resource(Settler).do(report)
    if payment is not None:
        wake_for(runtime, payment)
    if report.state is not PaymentState.AUTHORISED or report.charge_id is None:
        return
    if payment is None or payment.status == PaymentState.FAILED:
        gateway = runtime.resource(Gateways)[report.gateway]
        answer = await gateway.cancel(gateway_key("cancel", report.payment_id), report.charge_id)
        if isinstance(answer, NoResponse):
            raise Unavailable(what="The payment gateway", retry_after=2)
        if isinstance(answer, Charge):
            report = report_of(report.payment_id, report.order_id, report.gateway, answer)
            await runtime.resource(Settler).do(report)


class Settler(Batching[ChargeReport, Payment | None]):
    """`settlement.settle`, for all reports that come at the same time in one transaction; returns after its commit."""

    def __init__(self, database: Database) -> None:
        async def settle_all(reports: Sequence[ChargeReport]) -> list[Payment | None]:
            async with database.transaction() as tx:
                return await settle(tx, reports)

        super().__init__(settle_all)
