"""Paying an order: opened in one transaction, charged outside any, settled in another.

Whatever breaks in between, the payment's row is there and its id is the gateway's idempotency key: the twin of the
request, the reconciler, a verify or a webhook takes it from there, and none of them can charge a second time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from order_service.payments import queries, settlement, trying_queries
from order_service.payments.gateway import Charge, ChargeEvent, Gateway, NoAnswer, Refused
from order_service.payments.limits import NEVER_CHARGED, TriedBy, check_tries
from order_service.payments.models import (
    ChargeReport,
    Payment,
    PaymentState,
)
from order_service.payments.opening import Opening, call_ends, open_payments
from order_service.payments.settlement import charge_report, failed, settle
from order_service.settings import Settings
from service_kit.batching import Batching
from service_kit.clock import utcnow
from service_kit.database import Database
from service_kit.http import idempotency
from service_kit.http.idempotency import IdempotencyKeyInUse, KeptAnswer
from service_kit.problems import Problem, Unavailable, not_found
from service_kit.runtime import Runtime

# How long the webhook of a charge that is pending at the gateway is awaited before we ask.
AWAIT_WEBHOOK = timedelta(seconds=10)
# After an answer was lost, a charge that was made has been told by webhook long before.
AFTER_LOST_ANSWER = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Request:
    """One request to pay: by whom (`owner` None: staff, for anybody's order), and how its answer is written."""

    order_id: UUID
    token: str = field(repr=False)
    by: UUID
    owner: UUID | None
    key: idempotency.Key
    answer: Callable[[Payment], tuple[bytes, str]]
    """Body and Location of the answer about a payment."""
    payer: TriedBy | None = None
    """Whose failed payments are counted; None: nobody's."""


async def pay(runtime: Runtime, request: Request) -> Payment | KeptAnswer:
    """Opens a payment of all that the order still wants, and charges it; a twin gets the first one's answer.

    Raises: NotFound, NotAwaitingPayment, NothingToPay, PaymentUnderWay, TooManyFailedPayments, IdempotencyKeyInUse,
    Unavailable.
    """
    gateway, settings = runtime.resource(Gateway), cast(Settings, runtime.settings)
    async with runtime.database.hot_tx() as tx:
        kept = await idempotency.claim(tx, request.by, request.key)
        if kept is None:
            opening = Opening(request.order_id, request.owner, request.by, request.key.value, request.token)
            if request.payer is not None and settings.limits:
                check_tries(*await trying_queries.tries(tx, request.payer), settings, utcnow())
                opening = replace(opening, address=request.payer.address, held_to=settings)
            [opened] = await open_payments(tx, gateway, [opening])
            if isinstance(opened, Problem):
                raise opened
            payment = opened.payment
        elif kept.status is not None:
            return kept
        else:
            found = await queries.payment_of_request(tx, request.order_id, request.by, request.key.value)
            payment = found or not_found("payment of this key", request.key.value)
    if kept is not None:
        return await _resume(runtime, gateway, request, payment)
    answer = await charge(gateway, payment, request.token)
    return await _finish(runtime, request, payment, answer)


async def charge(gateway: Gateway, payment: Payment, token: str) -> Charge | Refused | NoAnswer:
    return await gateway.charge(
        payment.gateway_key, token=token, amount=payment.amount, currency=payment.currency, order_id=payment.order_id
    )


async def _resume(runtime: Runtime, gateway: Gateway, request: Request, payment: Payment) -> Payment | KeptAnswer:
    """A twin whose first request has given no answer: it is still at it, or it broke and we go on in its place."""
    async with runtime.database.hot() as connection:
        taken = await queries.take(connection, payment.id, utcnow(), call_ends(gateway))
        current = taken or await queries.payment(connection, payment.id) or payment
        kept = await idempotency.find(connection, request.by, request.key)
    if kept is not None and kept.status is not None:
        return kept
    if taken is None and current.status == PaymentState.PENDING:
        raise IdempotencyKeyInUse(retry_after=1)
    answer: Charge | Refused | NoAnswer | None = None
    if taken is not None:
        answer = await gateway.find(taken.gateway_key) or await charge(gateway, taken, request.token)
    return await _finish(runtime, request, current, answer)


async def _finish(
    runtime: Runtime, request: Request, payment: Payment, answer: Charge | Refused | NoAnswer | None
) -> Payment:
    """Notes what the gateway answered (None: the payment is settled already) and keeps our answer for the twins."""
    now = utcnow()
    match answer:
        case NoAnswer.UNREACHABLE:
            async with runtime.database.hot() as connection:
                await queries.call_off(connection, payment, now, now + AWAIT_WEBHOOK)
            raise Unavailable(what="The payment gateway", retry_after=2)
        case NoAnswer.LOST:
            await _keep(runtime, request, payment, None, now + AFTER_LOST_ANSWER)
        case Charge(status="pending"):
            await _keep(runtime, request, payment, answer.id, now + AWAIT_WEBHOOK)
        case None:
            await _keep(runtime, request, payment, None, now + AWAIT_WEBHOOK)
        case Charge() | Refused():
            async with runtime.database.hot_tx() as tx:
                [settled] = await settle(tx, [charge_report(payment, answer)])
                payment = settled or payment
                body, location = request.answer(payment)
                await idempotency.keep(tx, request.by, request.key, 201, body, location)
    return payment


async def _keep(
    runtime: Runtime, request: Request, payment: Payment, charge_id: str | None, check_at: datetime
) -> None:
    kept = (request.by, request.key, 201, *request.answer(payment))
    async with runtime.database.hot() as connection:
        await queries.keep_answer(connection, kept, payment.id, charge_id, utcnow(), check_at)


async def _give_back(runtime: Runtime, payment: Payment, check_at: datetime, charge_id: str | None = None) -> None:
    """Whoever comes next may ask the gateway."""
    async with runtime.database.hot() as connection:
        await queries.note_call(connection, payment.id, charge_id, utcnow(), check_at)


async def reconcile(runtime: Runtime, payment: Payment) -> None:
    """Asks the gateway what became of a payment that is ours to ask about, and settles it.

    Never charged: it is now, unless the order wants no payment any more, or the token is gone since the gateway could
    not be reached and whoever brought it was told so.
    """
    gateway = runtime.resource(Gateway)
    answer: Charge | Refused | NoAnswer | None = await gateway.find(payment.gateway_key)
    if answer is None:
        async with runtime.database.hot() as connection:
            token = await queries.token_of(connection, payment.order_id)
        answer = await charge(gateway, payment, token) if token else None
    await note(runtime, payment, answer)


async def note(runtime: Runtime, payment: Payment, answer: Charge | Refused | NoAnswer | None) -> None:
    """Settles what is decided (None: there is no charge, and none will come); the rest is looked at again."""
    match answer:
        case NoAnswer():
            await _give_back(runtime, payment, _next_look(payment))
        case Charge(status="pending"):
            await _give_back(runtime, payment, _next_look(payment), answer.id)
        case Charge() | Refused() | None:
            report = charge_report(payment, answer) if answer else failed(payment, NEVER_CHARGED)
            await _settle(runtime, report)


async def verify(runtime: Runtime, payment_id: UUID, owner: UUID | None) -> Payment:
    """The payment, as the gateway knows it now. Raises: NotFound, Unavailable."""
    gateway = runtime.resource(Gateway)
    async with runtime.database.hot() as connection:
        payment = await queries.payment(connection, payment_id, owner) or not_found(Payment, payment_id)
        if payment.gateway != gateway.name or payment.status == PaymentState.SUCCEEDED:
            return payment
        taken = await queries.take(connection, payment.id, utcnow(), call_ends(gateway))
    if taken is not None:
        await reconcile(runtime, taken)
    else:
        # Failed, or somebody is asking: then only what the gateway surely knows is news.
        answer = await gateway.find(payment.gateway_key)
        if isinstance(answer, NoAnswer):
            raise Unavailable(what="The payment gateway", retry_after=2)
        if answer is not None and answer.status != "pending":
            report = charge_report(payment, answer)
            await _settle(runtime, report)
    async with runtime.database.hot() as connection:
        return await queries.payment(connection, payment_id) or payment


async def hear(runtime: Runtime, gateway: Gateway, signature: str | None, body: bytes) -> None:
    """A webhook; ends after its effects are committed. Raises: WebhookSignatureWrong, InvalidRequest."""
    event = gateway.event(signature, body, utcnow())
    if isinstance(event, ChargeEvent):
        async with runtime.database.hot() as connection:
            report = await settlement.charge_heard_of(connection, gateway.name, event.data.charge)
        if report:
            await _settle(runtime, report)
    elif event is not None:
        async with runtime.database.hot_tx() as tx:
            await settlement.hear_of_refund(tx, gateway.name, event.data.refund)


async def _settle(runtime: Runtime, report: ChargeReport) -> None:
    await runtime.resource(Settler).settle(report)


class Settler:
    """Settles what comes at the same time in one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._batching = Batching(self._settle_all)

    async def settle(self, report: ChargeReport) -> Payment | None:
        """As `settlement.settle`, after the commit."""
        return await self._batching.do(report)

    async def _settle_all(self, reports: Sequence[ChargeReport]) -> list[Payment | None]:
        async with self._database.hot_tx() as tx:
            return await settle(tx, reports)


def _next_look(payment: Payment) -> datetime:
    """The longer a payment has been pending, the longer the pause until we ask again."""
    now = utcnow()
    return now + min(max(now - payment.created_at, AFTER_LOST_ANSWER), LONGEST_PAUSE)
