"""Paying an order: the payment is opened in one transaction, charged outside any, and settled in another.

If a process fails in between, the payment's row exists, and its id is the gateway's idempotency key: a duplicate
request, the reconciler, a verification or a webhook continues, and none of them can charge a second time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

from order_service.payments import attempt_queries, call_queries, queries, reconciliation, settlement
from order_service.payments.gateways.port import Charge, ChargeAnswer, NoResponse, PaymentGateway, Rejected
from order_service.payments.gateways.registry import Gateways
from order_service.payments.limits import AttemptOrigin, check_attempts
from order_service.payments.models import Payment, PaymentState
from order_service.payments.opening import Opening, call_lease, open_payments
from order_service.payments.reconciliation import AFTER_LOST_ANSWER, charge_request
from order_service.payments.settlement import charge_report, settle
from order_service.settings import Settings
from service_kit import idempotency
from service_kit.clock import utcnow
from service_kit.idempotency import IdempotencyKeyInUse, StoredResponse
from service_kit.problems import Problem, Unavailable, not_found
from service_kit.runtime import Runtime

# How long to wait for the webhook of a charge that is pending at the gateway before asking.
AWAIT_WEBHOOK = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Request:
    """A request to pay, `by` a customer or by staff (`owner` None: for any customer's order)."""

    order_id: UUID
    token: str = field(repr=False)
    by: UUID
    owner: UUID | None
    key: idempotency.Key
    answer: Callable[[Payment], tuple[bytes, str]]
    """Makes the body and the Location of the response about a payment."""
    payer: AttemptOrigin | None = None
    """Where the attempt is counted; None: nowhere."""


async def pay(runtime: Runtime, request: Request) -> Payment | StoredResponse:
    """Opens a payment of the order's unpaid amount and charges it; a duplicate request gets the same response.

    Raises: NotFound, NotAwaitingPayment, NothingToPay, PaymentUnderWay, TooManyFailedPayments, IdempotencyKeyInUse,
    Unavailable.
    """
    gateways, settings = runtime.resource(Gateways), runtime.resource(Settings)
    async with runtime.database.transaction() as tx:
        stored = await idempotency.claim(tx, request.by, request.key)
        if stored is None:
            opening = Opening(request.order_id, request.owner, request.by, request.key.value, request.token)
            if request.payer is not None and settings.limits:
                check_attempts(*await attempt_queries.attempts(tx, request.payer), settings, utcnow())
                opening = replace(opening, address=request.payer.address, held_to=settings)
            [opened] = await open_payments(tx, gateways.default, [opening])
            if isinstance(opened, Problem):
                raise opened
            payment = opened.payment
        elif stored.status is not None:
            return stored
        else:
            found = await queries.payment_of_request(tx, request.order_id, request.by, request.key.value)
            payment = found or not_found("payment of this key", request.key.value)
    if stored is not None:
        return await _resume(runtime, gateways[payment.gateway], request, payment)
    answer = await gateways[payment.gateway].open(charge_request(payment, request.token))
    return await _finish(runtime, request, payment, answer)


async def _resume(
    runtime: Runtime, gateway: PaymentGateway, request: Request, payment: Payment
) -> Payment | StoredResponse:
    """A duplicate request while the first has no response: it is in progress, or it failed and this one continues."""
    async with runtime.database.connection() as connection:
        taken = await call_queries.take(connection, payment.id, call_lease(gateway))
        current = taken or await queries.find_payment(connection, payment.id) or payment
        stored = await idempotency.find(connection, request.by, request.key)
    if stored is not None and stored.status is not None:
        return stored
    if taken is None and current.is_open:
        raise IdempotencyKeyInUse(retry_after=1)
    answer = await gateway.resolve(charge_request(taken, request.token)) if taken is not None else None
    return await _finish(runtime, request, current, answer)


async def _finish(runtime: Runtime, request: Request, payment: Payment, answer: ChargeAnswer | None) -> Payment:
    """Notes what the gateway answered (None: the payment has ended already), and stores the response for duplicate
    requests."""
    match answer:
        case NoResponse.UNREACHABLE:
            async with runtime.database.connection() as connection:
                await call_queries.abort_call(connection, payment, utcnow() + AWAIT_WEBHOOK)
            raise Unavailable(what="The payment gateway", retry_after=2)
        case NoResponse.LOST | Charge(state=PaymentState.PENDING) | None:
            charge_id = answer.id if isinstance(answer, Charge) else None
            check_at = utcnow() + (AFTER_LOST_ANSWER if answer is NoResponse.LOST else AWAIT_WEBHOOK)
            response = request.answer(payment)
            async with runtime.database.connection() as connection:
                await call_queries.store_response(
                    connection, request.by, request.key, response, payment.id, charge_id, check_at
                )
        case Charge() | Rejected():
            async with runtime.database.transaction() as tx:
                [settled] = await settle(tx, [charge_report(payment, answer)])
                payment = settled or payment
                if payment.is_open:
                    await call_queries.note_call(tx, payment.id, reconciliation.next_check(payment))
                body, location = request.answer(payment)
                await idempotency.store(tx, request.by, request.key, 201, body, location)
            reconciliation.wake_for(runtime, payment)
    return payment


async def verify(runtime: Runtime, payment_id: UUID, owner: UUID | None) -> Payment:
    """The payment, as the gateway knows it now. Raises: NotFound, Unavailable."""
    gateways = runtime.resource(Gateways)
    async with runtime.database.connection() as connection:
        payment = await queries.find_payment(connection, payment_id, owner) or not_found(Payment, payment_id)
        if payment.gateway not in gateways or payment.status == PaymentState.SUCCEEDED:
            return payment
        gateway = gateways[payment.gateway]
        taken = await call_queries.take(connection, payment.id, call_lease(gateway))
    if taken is not None:
        await reconciliation.reconcile(runtime, taken)
    else:
        # It is settled, or another process is calling the gateway: only a decided charge can change it.
        answer = await gateway.resolve(charge_request(payment))
        if isinstance(answer, NoResponse):
            raise Unavailable(what="The payment gateway", retry_after=2)
        if isinstance(answer, Charge) and answer.state is not PaymentState.PENDING:
            await reconciliation.take_in(runtime, charge_report(payment, answer))
    async with runtime.database.connection() as connection:
        return await queries.find_payment(connection, payment_id) or payment


async def receive_webhook(runtime: Runtime, gateway: PaymentGateway, headers: Mapping[str, str], body: bytes) -> None:
    """Processes a webhook; returns after its effects are committed.

    Raises: WebhookSignatureWrong, InvalidRequest, Unavailable.
    """
    event = gateway.read_webhook(headers, body, utcnow())
    if isinstance(event, Charge):
        async with runtime.database.connection() as connection:
            report = await settlement.reported_by_webhook(connection, gateway.name, event)
        if report:
            await reconciliation.take_in(runtime, report)
    elif event is not None:
        async with runtime.database.transaction() as tx:
            await settlement.apply_refund_report(tx, gateway.name, event)
