"""Payments and refunds over HTTP, and the endpoint of the gateway's webhooks."""

from collections.abc import Callable
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from contracts.permissions import Permission
from order_service.orders import queries as orders
from order_service.orders.unpaid import EXEMPT
from order_service.payments import bank_transfers, queries, refunds, use_cases
from order_service.payments.gateways.port import WebhookSignatureWrong
from order_service.payments.gateways.registry import Gateways
from order_service.payments.limits import AttemptOrigin, TooManyFailedPayments
from order_service.payments.models import (
    NotAwaitingPayment,
    NothingToPay,
    NothingToRefund,
    Payment,
    PaymentState,
    PaymentUnderWay,
    Refund,
    RefundDecided,
    RefundNotByHand,
    RefundReferenceInUse,
    RefundState,
    RefundTooHigh,
    TransferRecorded,
)
from order_service.payments.schemas import (
    BankTransferIn,
    PaymentIn,
    PaymentOut,
    RefundConfirmationIn,
    RefundFailureIn,
    RefundIn,
    RefundOut,
)
from service_kit import idempotency
from service_kit.http.client import client_network
from service_kit.http.hot_route import hot_route
from service_kit.http.idempotency import IdempotencyKey, replay, respond
from service_kit.http.pagination import Page, PagedByTime
from service_kit.http.problem_responses import problems
from service_kit.http.router import SCHEMA_OF_OTHERS, Router
from service_kit.http.sessions import Session, Transaction
from service_kit.idempotency import IdempotencyKeyInUse, IdempotencyKeyMissing, IdempotencyKeyReused, StoredResponse
from service_kit.problems import InvalidRequest, NotFound, Unavailable, not_found
from service_kit.runtime import Runtime
from service_kit.security import PUBLIC, Principal, Requires, still_may

router = Router(tags=["payments"])
refund_router = Router(tags=["refunds"])


async def runtime_of(request: Request) -> Runtime:  # async, since FastAPI runs synchronous dependencies in threads
    runtime: Runtime = request.app.state.runtime
    return runtime


UseRuntime = Annotated[Runtime, Depends(runtime_of)]
Payer = Annotated[Principal, Requires(Permission.PAYMENTS_WRITE)]
Reader = Annotated[Principal, Requires(Permission.PAYMENTS_READ)]
Recorder = Annotated[Principal, Requires(Permission.PAYMENTS_RECORD_ANY)]


@router.post(
    "/orders/{order_id}/payments",
    status_code=201,
    response_model=PaymentOut,
    summary="Pay an order",
    responses=problems(
        NotFound,
        NotAwaitingPayment,
        NothingToPay,
        PaymentUnderWay,
        TooManyFailedPayments,
        IdempotencyKeyMissing,
        IdempotencyKeyReused,
        IdempotencyKeyInUse,
        Unavailable,
    ),
)
async def pay(
    order_id: UUID, body: PaymentIn, who: Payer, key: IdempotencyKey, runtime: UseRuntime, request: Request
) -> Response:
    """Charges the unpaid amount of the order. The response is usually `pending`; within moments,
    `GET /payments/{id}` or the order shows the outcome. `action_required`: send the customer to `next_action.url`,
    until the order's `pay_by`. After a `failed` payment another may be made, with a new key.

    Try again with the same key after a `503` or a lost connection: the card is never charged twice.
    """
    payer = None if who.may(EXEMPT) else AttemptOrigin(who.user_id, client_network(request))
    owner = await _paid_by(request, who)
    wanted = use_cases.Request(order_id, body.token, who.user_id, owner, key, answer=_written, payer=payer)
    result = await use_cases.pay(runtime, wanted)
    if isinstance(result, StoredResponse):
        return replay(result)
    content, location = _written(result)
    return Response(content, 201, {"Location": location}, media_type="application/json")


def _written(payment: Payment) -> tuple[bytes, str]:
    return PaymentOut.of(payment).model_dump_json().encode(), f"/payments/{payment.id}"


@router.post(
    "/orders/{order_id}/bank-transfers",
    status_code=201,
    response_model=PaymentOut,
    summary="Record a bank transfer",
    responses=problems(NotFound, TransferRecorded, IdempotencyKeyMissing, IdempotencyKeyReused),
)
async def record_bank_transfer(
    order_id: UUID, body: BankTransferIn, who: Recorder, key: IdempotencyKey, tx: Transaction
) -> Response:
    """Books money that arrived in the shop's bank account as a payment of the order, which is paid once it has all of
    its total. What the order doesn't want, because it is too much or the order has ended, becomes a refund that staff
    make by hand. A reference is booked once, on whichever order.
    """
    if stored := await idempotency.claim(tx, who.user_id, key):
        return replay(stored)
    transfer = bank_transfers.Transfer(order_id=order_id, recorded_by=who.user_id, **body.model_dump())
    payment = await bank_transfers.record(tx, transfer)
    return await respond(tx, who, key, 201, PaymentOut.of(payment), f"/payments/{payment.id}")


@router.get("/orders/{order_id}/payments", summary="List the payments of an order", responses=problems(NotFound))
async def list_of_order(order_id: UUID, page: PagedByTime, tx: Session, who: Reader) -> Page[PaymentOut]:
    """Successful, failed and pending ones."""
    await orders.find(tx, order_id, _seen_by(who))
    return page.of(await queries.page(tx, Payment, page.position, order_id=order_id), PaymentOut.of)


@router.get("/payments", summary="List payments")
async def list_all(
    page: PagedByTime,
    tx: Session,
    _: Annotated[Principal, Requires(Permission.PAYMENTS_READ_ANY)],
    status: Annotated[PaymentState | None, Query(description="only these")] = None,
    customer_id: Annotated[UUID | None, Query(description="only this customer's")] = None,
    gateway: Annotated[
        str | None, Query(max_length=200, description="only this gateway's, or outside system's")
    ] = None,
) -> Page[PaymentOut]:
    """Of all orders."""
    found = await queries.page(tx, Payment, page.position, status=status, customer_id=customer_id, gateway=gateway)
    return page.of(found, PaymentOut.of)


@router.get("/payments/{payment_id}", summary="Get a payment", responses=problems(NotFound))
async def read(payment_id: UUID, tx: Session, who: Reader) -> PaymentOut:
    """With its current status. A failed one has a code as `failure_reason`."""
    return PaymentOut.of(await _payment(tx, payment_id, who))


@router.post(
    "/payments/{payment_id}/verify",
    summary="Verify a payment with the gateway",
    responses=problems(NotFound, Unavailable),
)
async def verify(payment_id: UUID, who: Payer, runtime: UseRuntime, request: Request) -> PaymentOut:
    """Asks the gateway, and settles the payment by its answer. Optional: webhooks and a reconciler do the same."""
    return PaymentOut.of(await use_cases.verify(runtime, payment_id, await _paid_by(request, who)))


@hot_route(
    router,
    "POST",
    "/payments/webhooks/{gateway}",
    status_code=204,
    summary="Receive a webhook of the payment gateway",
    openapi_extra=PUBLIC | SCHEMA_OF_OTHERS,
    responses=problems(WebhookSignatureWrong, InvalidRequest, NotFound, Unavailable),
)
async def receive_webhook(gateway: str, request: Request, runtime: UseRuntime) -> Response:
    """For the gateway alone: the signature in its header (the sandbox's is `Webhook-Signature`) is checked over the raw
    body. Duplicate and late webhooks change nothing; `204` means that it was booked, or does not concern this service.
    """
    sender = runtime.resource(Gateways).get(gateway) or not_found("gateway", gateway)
    await use_cases.receive_webhook(runtime, sender, request.headers, await request.body())
    return Response(status_code=204)


@refund_router.post(
    "/payments/{payment_id}/refunds",
    status_code=202,
    response_model=RefundOut,
    summary="Refund a payment",
    responses=problems(NotFound, NothingToRefund, RefundTooHigh, IdempotencyKeyMissing, IdempotencyKeyReused),
)
async def refund(
    payment_id: UUID,
    body: RefundIn,
    who: Annotated[Principal, Requires(Permission.REFUNDS_WRITE_ANY)],
    key: IdempotencyKey,
    tx: Transaction,
) -> Response:
    """In part or in full; all refunds of a payment together never exceed it. The gateway is called after this response.

    Once everything paid for an order is being refunded, the order is cancelled, unless one of its parcels has left;
    then the warehouse is warned not to send the others.
    """
    if stored := await idempotency.claim(tx, who.user_id, key):
        return replay(stored)
    made = await refunds.request_by_staff(tx, payment_id, body.amount, body.reason, body.note, who.user_id)
    return await respond(tx, who, key, 202, RefundOut.of(made, for_staff=True), f"/refunds/{made.id}")


@refund_router.get(
    "/payments/{payment_id}/refunds", summary="List the refunds of a payment", responses=problems(NotFound)
)
async def list_refunds_of_payment(payment_id: UUID, page: PagedByTime, tx: Session, who: Reader) -> Page[RefundOut]:
    """Those that staff requested, and automatic ones."""
    payment = await _payment(tx, payment_id, who)
    return page.of(await queries.page(tx, Refund, page.position, payment_id=payment.id), _shown_to(who))


@refund_router.get("/refunds", summary="List refunds")
async def list_refunds(
    page: PagedByTime,
    tx: Session,
    who: Annotated[Principal, Requires(Permission.PAYMENTS_READ_ANY)],
    status: Annotated[RefundState | None, Query(description="only these; staff must handle `failed` ones")] = None,
    order_id: Annotated[UUID | None, Query(description="only this order's")] = None,
    gateway: Annotated[str | None, Query(max_length=100, description="`bank_transfer`: those made by hand")] = None,
) -> Page[RefundOut]:
    """Of all payments. Those that staff have to make by hand are `requested`, of the gateway `bank_transfer`."""
    found = await queries.page(tx, Refund, page.position, status=status, order_id=order_id, gateway=gateway)
    return page.of(found, _shown_to(who))


@refund_router.get("/refunds/{refund_id}", summary="Get a refund", responses=problems(NotFound))
async def read_refund(refund_id: UUID, tx: Session, who: Reader) -> RefundOut:
    """With its current status."""
    found = await queries.find_refund(tx, refund_id, _seen_by(who)) or not_found(Refund, refund_id)
    return _shown_to(who)(found)


@refund_router.post(
    "/refunds/{refund_id}/confirm",
    summary="Confirm a refund by bank transfer",
    responses=problems(NotFound, RefundNotByHand, RefundDecided, RefundReferenceInUse),
)
async def confirm(refund_id: UUID, body: RefundConfirmationIn, tx: Transaction, who: Recorder) -> RefundOut:
    """Books that staff have transferred the money back; the customer is notified. Sent again with the same reference,
    it changes nothing."""
    return _shown_to(who)(await bank_transfers.confirm_refund(tx, refund_id, body.reference))


@refund_router.post(
    "/refunds/{refund_id}/fail",
    summary="Mark a refund by bank transfer as failed",
    responses=problems(NotFound, RefundNotByHand, RefundDecided),
)
async def fail(refund_id: UUID, body: RefundFailureIn, tx: Transaction, who: Recorder) -> RefundOut:
    """Books that the money can't be transferred back, such as to a closed account. The payment can then be refunded
    again, by another refund."""
    return _shown_to(who)(await bank_transfers.fail_refund(tx, refund_id, body.reason))


async def _paid_by(request: Request, who: Principal) -> UUID | None:
    """The customer whose orders the caller may pay; None: everybody's. Raises: PermissionRevoked."""
    if not who.may(Permission.PAYMENTS_WRITE_ANY):
        return who.user_id
    await still_may(request, who, [Permission.PAYMENTS_WRITE_ANY])
    return None


def _shown_to(who: Principal) -> Callable[[Refund], RefundOut]:
    """Makes a refund's response for the caller: only staff see the note."""
    return partial(RefundOut.of, for_staff=_seen_by(who) is None)


def _seen_by(who: Principal) -> UUID | None:
    """The customer whose payments the caller may see; None: everybody's."""
    return None if who.may(Permission.PAYMENTS_READ_ANY) else who.user_id


async def _payment(tx: Session, payment_id: UUID, who: Principal) -> Payment:
    return await queries.find_payment(tx, payment_id, _seen_by(who)) or not_found(Payment, payment_id)
