"""Payment links over HTTP: staff create them, and whoever has one pays.

The token is in a header, never in a path or a query: those stand in logs of servers and proxies.
"""

from typing import Annotated
from uuid import UUID

from fastapi import Header, Request, Response

from order_service.drafts.endpoints import PLACING_PROBLEMS, Manager
from order_service.drafts.models import DraftNotOpen
from order_service.orders.models import Status
from order_service.orders.watch import OrderWatch
from order_service.payment_links import use_cases
from order_service.payment_links.models import PaymentLinkInvalid
from order_service.payment_links.schemas import LinkPaymentIn, LinkPaymentOut, PayableOut, PaymentLinkOut
from order_service.payments.limits import TooManyFailedPayments
from order_service.payments.models import NotAwaitingPayment, NothingToPay, PaymentUnderWay
from order_service.rules.holder import RulesHolder
from order_service.settings import Settings
from service_kit.http.capacity import waiting
from service_kit.http.client import client_network
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Connection, Transaction
from service_kit.idempotency import IdempotencyKeyInUse
from service_kit.problems import NotFound, TooManyRequests, Unavailable
from service_kit.runtime import Runtime
from service_kit.security import PUBLIC, Principal, Requires

router = Router(tags=["payment links"])

STOCK_WAIT = 10
"""Seconds that a payment waits for the stock of a draft that it has just placed."""
LinkToken = Annotated[
    str, Header(alias="Payment-Link", min_length=1, max_length=200, description="the token of the link")
]
NO_STORE = {"Cache-Control": "no-store"}


@router.post(
    "/drafts/{draft_id}/link",
    status_code=201,
    summary="Create the payment link of a draft",
    responses=problems(NotFound, DraftNotOpen),
)
async def create_link_of_draft(draft_id: UUID, tx: Transaction, who: Manager) -> PaymentLinkOut:
    """Whoever has the token can place the draft and pay it. It is shown this once, and replaces an earlier one. Send it
    to the customer in the fragment of a URL (`https://…/pay#<token>`)."""
    return await use_cases.create_for_draft(tx, draft_id, who.user_id)


@router.post(
    "/orders/{order_id}/payment-link",
    status_code=201,
    summary="Create the payment link of an order",
    responses=problems(NotFound, NotAwaitingPayment),
)
async def create_link_of_order(
    order_id: UUID, tx: Transaction, who: Annotated[Principal, Requires("payments:write:any")]
) -> PaymentLinkOut:
    """For an order that awaits payment. Whoever has the token can pay it; otherwise as for a draft."""
    return await use_cases.create_for_order(tx, order_id, who.user_id)


@router.get(
    "/payment-link",
    summary="Get what a payment link is for",
    openapi_extra=PUBLIC,
    responses=problems(PaymentLinkInvalid, TooManyRequests),
)
async def show_payable(link: LinkToken, connection: Connection, request: Request, response: Response) -> PayableOut:
    """The lines and what they cost now, without names or addresses. A link that is unknown, expired, used or replaced
    gets the same response."""
    runtime: Runtime = request.app.state.runtime
    response.headers.update(NO_STORE)
    settings, rules = runtime.resource(Settings), runtime.resource(RulesHolder)
    return await use_cases.show(connection, link, client_network(request), rules, settings)


@router.post(
    "/payment-link/payments",
    status_code=201,
    summary="Pay by a payment link",
    openapi_extra=PUBLIC,
    responses=problems(
        PaymentLinkInvalid,
        TooManyRequests,
        *PLACING_PROBLEMS,
        NotAwaitingPayment,
        NothingToPay,
        PaymentUnderWay,
        TooManyFailedPayments,
        IdempotencyKeyInUse,
        Unavailable,
    ),
)
async def pay_by_link(link: LinkToken, body: LinkPaymentIn, request: Request, response: Response) -> LinkPaymentOut:
    """Charges what is left to pay. A draft is placed first, and its stock reserved: if that takes longer than a few
    seconds, the response is `order-not-awaiting-payment`; then send the same request again.

    The same request again never charges twice, and shows the payment as it is by then, which is usually `pending` at
    first. `action_required`: send the customer to `next_action.url`. After a `failed` payment, send another payment
    token.
    """
    runtime: Runtime = request.app.state.runtime
    response.headers.update(NO_STORE)
    address = client_network(request)
    found = await use_cases.order_to_pay(runtime, link, address, body.token, body.expected_total)
    if found.order_status == Status.PENDING and found.order_id is not None:
        with waiting(request) as may_wait:
            if may_wait:
                await runtime.resource(OrderWatch).decided(found.order_id, STOCK_WAIT)
    payment = await use_cases.pay(runtime, found, body.token, address)
    return LinkPaymentOut.of(payment, found.order_number or "")
