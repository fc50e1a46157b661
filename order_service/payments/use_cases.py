"""Paying an order: opened in one transaction, charged outside any, settled in another.

Whatever breaks in between, the payment's row is there and its id is the gateway's idempotency key: the twin of the
request, the reconciler, a verify or a webhook takes it from there, and none of them can charge a second time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from contracts.events.payment_status import PaymentPending
from contracts.money import Money
from order_service.orders import queries as orders
from order_service.orders.models import Status
from order_service.orders.state import OrderState
from order_service.payments import queries, refunds, settlement
from order_service.payments.gateway import Charge, ChargeEvent, Gateway, NoAnswer, Refused
from order_service.payments.models import (
    Account,
    ChargeReport,
    NotAwaitingPayment,
    NothingToPay,
    Payment,
    PaymentState,
    PaymentUnderWay,
)
from order_service.payments.settlement import charge_report, failed, settle
from service_kit.batching import Batching
from service_kit.clock import utcnow
from service_kit.database import Database, HotTx
from service_kit.http import idempotency
from service_kit.http.idempotency import IdempotencyKeyInUse, KeptAnswer
from service_kit.jobs import all_of
from service_kit.problems import Problem, Unavailable, not_found
from service_kit.runtime import Runtime

# How long the webhook of a charge that is pending at the gateway is awaited before we ask.
AWAIT_WEBHOOK = timedelta(seconds=10)
# After an answer was lost, a charge that was made has been told by webhook long before.
AFTER_LOST_ANSWER = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=5)
# A call that ran into its timeout may still be on its way for a moment.
BEYOND_TIMEOUT = timedelta(seconds=5)


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


async def pay(runtime: Runtime, request: Request) -> Payment | KeptAnswer:
    """Opens a payment of all that the order still wants, and charges it; a twin gets the first one's answer.

    Raises: NotFound, NotAwaitingPayment, NothingToPay, PaymentUnderWay, IdempotencyKeyInUse, Unavailable.
    """
    gateway = runtime.resource(Gateway)
    async with runtime.database.hot_tx() as tx:
        kept = await idempotency.claim(tx, request.by, request.key)
        if kept is None:
            opening = Opening(request.order_id, request.owner, request.by, request.key.value, request.token)
            [payment] = await _open(tx, gateway, [opening])
            if isinstance(payment, Problem):
                raise payment
        elif kept.status is not None:
            return kept
        else:
            found = await queries.payment_of_request(tx, request.order_id, request.by, request.key.value)
            payment = found or not_found("payment of this key", request.key.value)
    if kept is not None:
        return await _resume(runtime, gateway, request, payment)
    answer = await _charge(gateway, payment, request.token)
    return await _finish(runtime, request, payment, answer)


@dataclass(frozen=True, slots=True)
class Opening:
    """A payment to be opened. `owner` None: of anybody's order. Without the rest: by the token that the order came
    with."""

    order_id: UUID
    owner: UUID | None
    opened_by: UUID | None = None
    request_key: str | None = None
    token: str | None = field(default=None, repr=False)


async def _open(tx: HotTx, gateway: Gateway, openings: Sequence[Opening]) -> list[Payment | Problem]:
    """Pending payments, which only we may charge until the call must have ended; or why there can be none.

    Their tokens stay until they are settled, so that whoever finds one that was never charged goes on with it.
    """
    held = await orders.lock_many(tx, [opening.order_id for opening in openings])
    accounts = await queries.accounts(tx, list(held), refunds=False)
    results: list[Payment | Problem] = []
    told, tokens = queries.Told(), dict[UUID, str]()
    for opening in openings:
        try:
            order = held.get(opening.order_id)
            if order is None or opening.owner not in (None, order.user_id):
                not_found("order", opening.order_id)
            payment = _opened(gateway, order, accounts[order.id], opening)
        except Problem as problem:
            results.append(problem)
        else:
            accounts[order.id].payments.append(payment)
            told.add(_told(order, payment))
            if opening.token is not None:
                tokens[order.id] = opening.token
            results.append(payment)
    if opened := [payment for payment in results if isinstance(payment, Payment)]:
        await queries.insert_payments(tx, opened, told, tokens)
    return results


def _opened(gateway: Gateway, order: OrderState, account: Account, opening: Opening) -> Payment:
    if order.status != Status.AWAITING_PAYMENT:
        raise NotAwaitingPayment(order_status=str(order.status))
    if any(payment.status == PaymentState.PENDING for payment in account.payments):
        raise PaymentUnderWay(retry_after=1)
    amount = order.total - order.kept
    if amount <= 0:
        raise NothingToPay
    until = call_ends(gateway)
    return Payment(
        order_id=order.id,
        user_id=order.user_id,
        amount=amount,
        currency=order.currency,
        gateway=gateway.name,
        opened_by=opening.opened_by,
        request_key=opening.request_key,
        call_until=until,
        check_at=until,
    )


def _told(order: OrderState, payment: Payment) -> PaymentPending:
    return PaymentPending(
        version=payment.version,
        payment_id=payment.id,
        order_id=order.id,
        user_id=order.user_id,
        number=order.number,
        amount=Money(amount=payment.amount, currency=payment.currency),
    )


async def _charge(gateway: Gateway, payment: Payment, token: str) -> Charge | Refused | NoAnswer:
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
        answer = await gateway.find(taken.gateway_key) or await _charge(gateway, taken, request.token)
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
            runtime.jobs.wake(refunds.JOB)
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


async def pay_by_tokens(runtime: Runtime, due: Sequence[tuple[UUID, str, UUID]]) -> int:
    """Pays these orders (with their tokens and customers) with the tokens that they came with; how many were opened.

    The others ended meanwhile, or somebody else was faster.
    """
    gateway = runtime.resource(Gateway)
    async with runtime.database.hot_tx() as tx:
        results = await _open(tx, gateway, [Opening(order_id, user_id) for order_id, _, user_id in due])
    opened = [(payment, due[n][1]) for n, payment in enumerate(results) if isinstance(payment, Payment)]
    await all_of(_charge_and_note(runtime, gateway, payment, token) for payment, token in opened)
    return len(opened)


async def _charge_and_note(runtime: Runtime, gateway: Gateway, payment: Payment, token: str) -> None:
    await _note(runtime, payment, await _charge(gateway, payment, token))


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
        answer = await _charge(gateway, payment, token) if token else None
    await _note(runtime, payment, answer)


async def _note(runtime: Runtime, payment: Payment, answer: Charge | Refused | NoAnswer | None) -> None:
    """Settles what is decided (None: there is no charge, and none will come); the rest is looked at again."""
    match answer:
        case NoAnswer():
            await _give_back(runtime, payment, _next_look(payment))
        case Charge(status="pending"):
            await _give_back(runtime, payment, _next_look(payment), answer.id)
        case Charge() | Refused() | None:
            report = charge_report(payment, answer) if answer else failed(payment, "never-charged")
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
        runtime.jobs.wake(refunds.JOB)


async def _settle(runtime: Runtime, report: ChargeReport) -> None:
    await runtime.resource(Settler).settle(report)
    runtime.jobs.wake(refunds.JOB)


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


def call_ends(gateway: Gateway) -> datetime:
    """When a call to the gateway that begins now is over, whatever becomes of it."""
    return utcnow() + timedelta(seconds=gateway.timeout) + BEYOND_TIMEOUT


def _next_look(payment: Payment) -> datetime:
    """The longer a payment has been pending, the longer the pause until we ask again."""
    now = utcnow()
    return now + min(max(now - payment.created_at, AFTER_LOST_ANSWER), LONGEST_PAUSE)
