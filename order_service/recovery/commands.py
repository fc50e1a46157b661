"""Repeats what the service's own events describe: orders that were placed, commands, time limits,
and what the gateway reported. Whatever followed from events of other services, the replay of those has done before."""

from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.events import inventory_deduction as requests
from contracts.events import order_notification as steps
from contracts.events import payment_status as money
from contracts.events.base import Event
from order_service.invoices import use_cases as invoices
from order_service.orders import queries as orders
from order_service.orders.lifecycle import Cause, OrderState, Trigger
from order_service.orders.models import Actor, FulfilmentStatus, HistoryEntry, Order, OrderLine, Status
from order_service.payments import queries as payment_queries
from order_service.payments import refund_settlement, refunds, settlement
from order_service.payments.models import ChargeReport, Payment, PaymentState, RefundReport, RefundState
from order_service.payments.settlement import VOIDED
from order_service.recovery import queries
from order_service.recovery.returns import decide_return, request_return
from service_kit.database import Transaction
from service_kit.messaging import outbox
from service_kit.replay import Repeat, Repeated

GATEWAY = "sandbox"
"""The gateway of payments whose row is lost, if their event doesn't name it. Outside systems report their payments
themselves."""


async def _place(of: Repeated, event: steps.OrderPlaced) -> None:
    """Inserts the order. Its idempotency key, client address and payment token are lost, and so is whether staff placed
    it, what each promotion took off, and its billing address."""
    if event.ship_to is None:
        of.journal.note("orders without an address in their event: not recovered", event.number)
        return
    reserve = of.published.take(requests.ReservationRequested)
    version = of.published.versions[event.order_id]
    until = reserve.reserved_until if reserve else of.at + of.settings.pay_within + of.settings.reserved_beyond
    order = _pending(of, event, version, pay_by=until - of.settings.reserved_beyond)
    entry = HistoryEntry(
        order_id=order.id,
        version=2,
        at=of.at,
        trigger="placed",
        from_status=None,
        to_status=order.status,
        actor=Actor.CUSTOMER,
        actor_id=event.customer_id,
        reason=None,
        details=None,
    )
    await queries.insert_order(of.tx, order, await _lines(of.tx, event), entry)
    of.journal.found["orders recovered"] += 1
    if reserve is None:
        lines = [{"product_id": line.product_id, "quantity": line.quantity} for line in event.lines]
        again = requests.ReservationRequested(order_id=order.id, version=version + 1, lines=lines, reserved_until=until)
        await outbox.add(of.tx, again)


def _pending(of: Repeated, event: steps.OrderPlaced, version: int, *, pay_by: datetime) -> Order:
    assert event.ship_to is not None
    return Order(
        id=event.order_id,
        number=int(event.number),
        customer_id=event.customer_id,
        status=Status.PENDING,
        fulfilment_status=FulfilmentStatus.UNFULFILLED,
        currency=event.total.currency,
        total=event.total.amount,
        discount=event.discount or 0,
        tax=event.tax or 0,
        shipping=_shipping(event),
        pay_by=pay_by,
        ship_to=event.ship_to.model_dump(mode="json"),
        created_at=of.at,
        status_since=of.at,
        version=version,
    )


def _shipping(event: steps.OrderPlaced) -> dict[str, Any] | None:
    """Its price; by which method, and at which rates it is taxed, is not in the event."""
    if not event.shipping:
        return None
    tax = (event.tax or 0) - sum(line.tax or 0 for line in event.lines)
    net = event.shipping - tax
    amounts = {"amount": event.shipping, "discount": 0, "net": net, "tax": tax, "total": event.shipping}
    return {
        "method": "",
        "name": "",
        "from": None,
        "to": None,
        **amounts,
        "standard_amount": event.shipping,
        "taxes": [],
    }


async def _lines(tx: Transaction, event: steps.OrderPlaced) -> list[OrderLine]:
    """Lines without a name in the event get the product's present one."""
    known = await queries.names(tx, [line.product_id for line in event.lines if line.name is None])
    found = []
    for position, line in enumerate(event.lines, 1):
        sku, name = known.get(line.product_id, ("", ""))
        found.append(
            OrderLine(
                order_id=event.order_id,
                position=position,
                product_id=line.product_id,
                sku=line.sku or sku,
                name=line.name or name,
                quantity=line.quantity,
                unit_price=line.unit_price,
                discount=line.discount or 0,
                tax=line.tax or 0,
                tax_rate=line.tax_rate or 0,
                total=line.unit_price * line.quantity if line.total is None else line.total,
            )
        )
    return found


async def _release_unknown(of: Repeated, event: requests.ReservationRequested) -> None:
    """Its order was never published and is unknown: the stock is released."""
    if await orders.EXISTS.fetchval(of.tx, order_id=event.order_id):
        return
    of.journal.note("orders lost: only their reservation is known, and released", event.order_id)
    version = of.published.versions[event.order_id] + 1
    await outbox.add(
        of.tx, requests.ReleaseRequested(order_id=event.order_id, version=version, reason="the order was lost")
    )


def _moved_by(trigger: Trigger, actor: Actor) -> Repeat:
    async def move(of: Repeated, event: Any) -> None:
        order = await _locked(of, event.order_id)
        if order is not None:
            order.move(trigger, Cause(of.at, actor, reason=_given(getattr(event, "reason", None))))
            await refunds.save(of.tx, [order])

    return move


def _given(reason: str | None) -> str | None:
    """A request to release has a reason in any case; this leaves out those that nobody gave."""
    return None if reason is None or reason.startswith("the order is ") else reason


async def _open_payment(of: Repeated, event: money.PaymentPending) -> None:
    order = await _locked(of, event.order_id)
    if order is None or await queries.OPEN_PAYMENT.fetchval(of.tx, order_id=order.id):
        return
    payment = Payment(
        id=event.payment_id,
        order_id=order.id,
        customer_id=order.customer_id,
        amount=event.amount.amount,
        currency=event.amount.currency,
        gateway=GATEWAY,
        version=of.published.versions[event.payment_id],
        created_at=of.at,
    )
    await payment_queries.insert_payments(of.tx, [payment], [])
    of.journal.found["payments recovered"] += 1


async def _settle(of: Repeated, event: money.PaymentSucceeded | money.PaymentFailed) -> None:
    if await _locked(of, event.order_id) is None:
        return
    state = PaymentState.SUCCEEDED
    if isinstance(event, money.PaymentFailed):
        state = PaymentState.VOIDED if event.reason == VOIDED else PaymentState.FAILED
    report = ChargeReport(
        payment_id=event.payment_id,
        order_id=event.order_id,
        gateway=await _gateway(of.tx, event),
        state=state,
        amount=event.amount.amount,
        currency=event.amount.currency,
        charge_id=event.reference,
        reason=event.reason if isinstance(event, money.PaymentFailed) else None,
    )
    await settlement.settle(of.tx, [report])


async def _request_refund(of: Repeated, event: money.RefundRequested) -> None:
    await refunds.request_by_staff(of.tx, event.payment_id, event.amount.amount, event.reason, None, None)


async def _settle_refund(of: Repeated, event: money.PaymentRefunded) -> None:
    report = RefundReport(
        refund_id=event.refund_id,
        payment_id=event.payment_id,
        order_id=event.order_id,
        gateway=await _gateway(of.tx, event),
        state=RefundState.SUCCEEDED,
        amount=event.amount.amount,
        currency=event.amount.currency,
        reference=event.reference,
    )
    await refund_settlement.settle(of.tx, report)


async def _request_return(of: Repeated, event: steps.ReturnRequested) -> None:
    await request_return(of.tx, event, of.at)


async def _decide_return(of: Repeated, event: steps.ReturnApproved | steps.ReturnRefused) -> None:
    await decide_return(of.tx, event, of.at)


async def _issue_invoice(of: Repeated, event: steps.InvoiceIssued) -> None:
    if not await invoices.issue_again(of.tx, of.settings, event, of.at):
        of.journal.note("invoices that can't be made again: their numbers are not given again", event.invoice_number)


async def _locked(of: Repeated, order_id: UUID) -> OrderState | None:
    order = await orders.lock(of.tx, order_id)
    if order is None:
        of.journal.note("events of orders that are lost", order_id)
    return order


async def _gateway(tx: Transaction, event: money.PaymentReport) -> str:
    known = await payment_queries.stored_status(tx, event.payment_id)
    named = event.gateway if isinstance(event, money.PaymentSucceeded) else None
    return known.gateway if known else named or GATEWAY


FUNCTIONS: dict[type[Event], Repeat] = {
    steps.OrderPlaced: _place,
    requests.ReservationRequested: _release_unknown,
    steps.OrderAwaitingPayment: _moved_by(Trigger.RESERVATION_ACCEPTED, Actor.INVENTORY),
    steps.OrderCancelled: _moved_by(Trigger.CANCEL, Actor.CUSTOMER),
    requests.ReleaseRequested: _moved_by(Trigger.CANCEL, Actor.CUSTOMER),
    steps.OrderExpired: _moved_by(Trigger.PAY_BY_PASSED, Actor.CLOCK),
    steps.OrderCompleted: _moved_by(Trigger.RETURN_WINDOW_OVER, Actor.CLOCK),
    steps.InvoiceIssued: _issue_invoice,
    steps.ReturnRequested: _request_return,
    steps.ReturnApproved: _decide_return,
    steps.ReturnRefused: _decide_return,
    money.PaymentPending: _open_payment,
    money.PaymentSucceeded: _settle,
    money.PaymentFailed: _settle,
    money.RefundRequested: _request_refund,
    money.PaymentRefunded: _settle_refund,
}
