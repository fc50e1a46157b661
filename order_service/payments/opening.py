"""Opening payments, many in one transaction; when it has committed, this process charges them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from contracts.events.payment_status import PaymentPending
from order_service.orders import queries as orders
from order_service.orders.lifecycle import OrderState
from order_service.orders.models import PaymentToken, Status
from order_service.payments import queries
from order_service.payments.gateways.port import PaymentGateway
from order_service.payments.limits import check_order
from order_service.payments.models import Account, NotAwaitingPayment, NothingToPay, Payment, PaymentUnderWay
from order_service.payments.refunds import event_fields
from order_service.settings import Settings
from service_kit.clock import utcnow
from service_kit.database import Transaction
from service_kit.messaging import outbox
from service_kit.problems import Problem, not_found
from service_kit.telemetry.tracing import current_traceparent

# A request that timed out may still reach the gateway a moment later.
BEYOND_TIMEOUT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Opening:
    """A payment to be opened. `owner` None: of any customer's order. Without the other fields: by the token that came
    with the order."""

    order_id: UUID
    owner: UUID | None
    opened_by: UUID | None = None
    request_key: str | None = None
    token: str | None = field(default=None, repr=False)
    address: str | None = None
    held_to: Settings | None = None
    """The settings with the order's limit of failed payments; None: no limit."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A pending payment, the token that it is charged with, and the trace that the token belongs to."""

    payment: Payment
    token: str = field(repr=False)
    traceparent: str | None


async def open_payments(
    tx: Transaction, gateway: PaymentGateway, openings: Sequence[Opening]
) -> list[Opened | Problem]:
    """For each opening a pending payment, which only this process charges until `call_until`, or the problem that
    prevents it.

    Tokens are stored until their payments are settled, so that the reconciler can charge a payment that never was. The
    tokens of orders are read under the lock: one that was declined meanwhile is deleted, and not tried again.
    """
    held = await orders.lock_many(tx, [opening.order_id for opening in openings])
    accounts = await queries.accounts(tx, list(held), refunds=False)
    by_token = [opening.order_id for opening in openings if opening.token is None]
    brought = await queries.tokens_of(tx, by_token) if by_token else {}
    results: list[Opened | Problem] = []
    events, tokens, current = list[PaymentPending](), list[PaymentToken](), current_traceparent()
    for opening in openings:
        try:
            order = held.get(opening.order_id)
            if order is None or opening.owner not in (None, order.customer_id):
                not_found("order", opening.order_id)
            given = (opening.token, current) if opening.token else brought.get(order.id)
            token, traceparent = given or not_found("payment token of order", order.id)
            payment = _opened(gateway, order, accounts[order.id], opening)
        except Problem as problem:
            results.append(problem)
        else:
            accounts[order.id].payments.append(payment)
            events.append(PaymentPending(**event_fields(order, payment, payment)))
            if opening.token is not None:
                tokens.append(PaymentToken(order_id=order.id, token=opening.token, traceparent=current))
            results.append(Opened(payment, token, traceparent))
    if opened := [result for result in results if isinstance(result, Opened)]:
        new_events = outbox.rows(events, [each.traceparent for each in opened])
        await queries.insert_payments(tx, [each.payment for each in opened], new_events, tokens)
    return results


def _opened(gateway: PaymentGateway, order: OrderState, account: Account, opening: Opening) -> Payment:
    if order.status != Status.AWAITING_PAYMENT:
        raise NotAwaitingPayment(order_status=str(order.status))
    if opening.held_to is not None:
        check_order(account, opening.held_to, order.pay_by, utcnow())
    if any(payment.is_open for payment in account.payments):
        raise PaymentUnderWay(retry_after=1)
    amount = order.total - order.net_paid
    if amount <= 0:
        raise NothingToPay
    until = utcnow() + call_lease(gateway)
    return Payment(
        order_id=order.id,
        customer_id=order.customer_id,
        amount=amount,
        currency=order.currency,
        gateway=gateway.name,
        opened_by=opening.opened_by,
        request_key=opening.request_key,
        call_until=until,
        check_at=until,
        client_address=opening.address if opening.opened_by else order.client_address,
    )


def call_lease(gateway: PaymentGateway) -> timedelta:
    """How long a call to the gateway can last; during it no other process calls about the payment."""
    return timedelta(seconds=gateway.timeout) + BEYOND_TIMEOUT
