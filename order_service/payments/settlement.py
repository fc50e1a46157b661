"""Settles a charge once, by the first report about it: from our own call, a webhook, the reconciler or an outside
system."""

from collections.abc import Sequence
from uuid import UUID

import structlog
from prometheus_client import Counter

from contracts.events import payment_status as events
from order_service.orders import queries as orders
from order_service.orders.lifecycle import Cause, OrderState
from order_service.orders.models import Actor, Status
from order_service.payments import queries, refund_settlement, refunds
from order_service.payments.gateways.port import Charge, GatewayRefund, Rejected
from order_service.payments.limits import NEVER_CHARGED
from order_service.payments.models import Account, ChargeReport, Payment, PaymentOfAnother, PaymentState
from service_kit.clock import utcnow
from service_kit.database import Connection, Transaction
from service_kit.messaging import outbox
from service_kit.problems import not_found
from service_kit.telemetry.tracing import current_traceparent

log = structlog.get_logger(__name__)
UNMATCHED = Counter(
    "payment_webhooks_unmatched_total", "Webhooks about a charge or refund of no order of ours", ["kind"]
)
for _kind in ("charge", "refund"):
    UNMATCHED.labels(_kind)  # a series that begins with its first webhook would have no increase for it

DECLINED, VOIDED = "declined", "voided"
"""The failure reason if the gateway gives no code of its own, or if the authorised charge was cancelled."""


class _Books:
    """Collects the changes of a batch of reports, and writes them together."""

    def __init__(self, held: dict[UUID, OrderState], accounts: dict[UUID, Account]) -> None:
        self.held = held
        self.accounts = accounts
        self._adopted: dict[UUID, Payment] = {}
        self._saved: dict[UUID, Payment] = {}
        self._events: list[outbox.Row] = []
        self._unwanted: list[tuple[OrderState, int, str, str | None]] = []

    async def book(self, tx: Transaction, report: ChargeReport) -> Payment | None:
        order = self.held.get(report.order_id) or not_found("order", report.order_id)
        account = self.accounts[order.id]
        payment = account.payment(report.payment_id)
        if payment is None:
            if report.state.is_open:
                return None
            payment = await _adopt(tx, order, report)
            account.payments.append(payment)
            self._adopted[payment.id] = payment
        elif payment.gateway != report.gateway:
            raise PaymentOfAnother(payment_id=str(payment.id), source=report.gateway)
        before = payment.status
        if not payment.settle(report, utcnow()):
            return payment
        if payment.id not in self._adopted:
            self._saved[payment.id] = payment
        if (event := _event(order, payment, before)) is not None:
            self._events += outbox.rows([event], [report.traceparent or current_traceparent()])
        if payment.status == PaymentState.SUCCEEDED:
            self._apply_to_order(order, account, payment, report)
        return payment

    def _apply_to_order(self, order: OrderState, account: Account, payment: Payment, report: ChargeReport) -> None:
        """The order takes as much of the money as it wants; the rest is refunded."""
        if payment.currency != order.currency:
            unwanted, reason = payment.amount, f"the order is in {order.currency}"
        else:
            captured = account.captured(order.currency)
            cause = report.cause or Cause(utcnow(), Actor.PAYMENTS, traceparent=report.traceparent)
            unwanted = order.capture(captured, cause)
            reason = f"the order is {order.status} and wants no more money"
        # Never more than this payment: earlier ones were handled when they arrived.
        if (amount := min(unwanted, payment.amount)) > 0:
            self._unwanted.append((order, amount, reason, report.traceparent))

    async def write(self, tx: Transaction) -> None:
        if self._adopted:
            await queries.insert_payments(tx, list(self._adopted.values()), self._events)
        if self._saved:
            await queries.save_payments(tx, list(self._saved.values()), [] if self._adopted else self._events)
            orders.signal_changed(tx, [self.held[payment.order_id] for payment in self._saved.values()])
        await refunds.save(tx, self.held.values())
        for unwanted in self._unwanted:
            await refunds.request(tx, *unwanted)


async def settle(tx: Transaction, reports: Sequence[ChargeReport]) -> list[Payment | None]:
    """Applies the reports to their payments and, if money was captured, to the orders; money that no order wants is
    refunded.

    Duplicate and late reports change nothing, except that late money counts. A charge whose payment is unknown is
    booked on its order as a new payment, so that no money is lost; while it is still open there is nothing to book
    (None). Raises: NotFound, PaymentOfAnother; then nothing of the batch is booked.
    """
    held = await orders.lock_many(tx, [report.order_id for report in reports])
    books = _Books(held, await queries.accounts(tx, list(held), refunds=False))
    payments = [await books.book(tx, report) for report in reports]
    await books.write(tx)
    return payments


async def _adopt(tx: Transaction, order: OrderState, report: ChargeReport) -> Payment:
    if await queries.stored_status(tx, report.payment_id):
        raise PaymentOfAnother(payment_id=str(report.payment_id), source=report.gateway)
    return Payment(
        id=report.payment_id,
        order_id=order.id,
        customer_id=order.customer_id,
        amount=report.amount,
        currency=report.currency,
        gateway=report.gateway,
        gateway_charge_id=report.charge_id,
        version=0,
    )


def _event(order: OrderState, payment: Payment, before: str) -> events.PaymentReport | None:
    """None while the payment is open. None, too, for a voided one whose customer need not pay again (the order's own
    event reports its end) or was notified of its failure before."""
    is_known = order.status is not Status.AWAITING_PAYMENT or before == PaymentState.FAILED
    if payment.is_open or (payment.status == PaymentState.VOIDED and is_known):
        return None
    fields = {**refunds.event_fields(order, payment, payment), "reference": payment.gateway_charge_id}
    if payment.status == PaymentState.SUCCEEDED:
        return events.PaymentSucceeded(**fields, gateway=payment.gateway)
    fallback = VOIDED if payment.status == PaymentState.VOIDED else DECLINED
    return events.PaymentFailed(**fields, reason=payment.failure_reason or fallback)


def charge_report(payment: Payment, answer: Charge | Rejected | None) -> ChargeReport:
    """What the gateway answered about a payment of ours; None: it has no charge for it."""
    if isinstance(answer, Charge):
        return report_of(payment.id, payment.order_id, payment.gateway, answer)
    return ChargeReport(
        payment_id=payment.id,
        order_id=payment.order_id,
        gateway=payment.gateway,
        state=PaymentState.FAILED,
        amount=payment.amount,
        currency=payment.currency,
        reason=answer.reason if answer else NEVER_CHARGED,
        traceparent=current_traceparent(),
    )


def report_of(payment_id: UUID, order_id: UUID, gateway: str, charge: Charge) -> ChargeReport:
    action = charge.next_action
    return ChargeReport(
        payment_id=payment_id,
        order_id=order_id,
        gateway=gateway,
        state=charge.state,
        amount=charge.amount,
        currency=charge.currency,
        charge_id=charge.id,
        reason=charge.failure_reason,
        traceparent=current_traceparent(),
        action=(action.type, action.url) if action else None,
    )


async def reported_by_webhook(db: Connection, gateway: str, charge: Charge) -> ChargeReport | None:
    """The report that a webhook about a charge contains, or None if it would change nothing. A charge of an unknown
    order is logged and ignored, since others may use the same account.

    The payment is not locked: its state only moves forward, so a report that changes nothing now won't later. An
    authorised charge of a payment that was given up is reported nevertheless, so that it is cancelled.
    """
    payment_id = _id_in(charge.key, "payment-")
    known = await queries.stored_status(db, payment_id) if payment_id else None
    is_stray = known and known.status is PaymentState.FAILED and charge.state is PaymentState.AUTHORISED
    if known and known.gateway == gateway and not (known.status.accepts(charge.state) or is_stray):
        return None
    # We opened it, but its row is lost (the database was restored from a backup): the reference names the order.
    order_id = known.order_id if known else _id_in(charge.order_reference, "")
    if payment_id is None or order_id is None or not (known or await orders.EXISTS.fetchval(db, order_id=order_id)):
        UNMATCHED.labels("charge").inc()
        log.error(
            "webhook_of_unknown_charge", charge_id=charge.id, reference=charge.order_reference, state=charge.state
        )
        return None
    return report_of(payment_id, order_id, gateway, charge)


async def apply_refund_report(tx: Transaction, gateway: str, refund: GatewayRefund) -> None:
    """Books the report of a webhook about a refund."""
    found = await queries.of_charge(tx, gateway, refund.charge_id)
    if found is None:
        UNMATCHED.labels("refund").inc()
        log.error("webhook_of_unknown_refund", refund_id=refund.id, charge_id=refund.charge_id)
        return
    payment_id, order_id = found
    ids = _id_in(refund.key, "refund-"), payment_id, order_id
    await refund_settlement.settle(tx, refund_settlement.report_of(*ids, gateway, refund))


def _id_in(text: str, prefix: str) -> UUID | None:
    try:
        return UUID(text.removeprefix(prefix)) if text.startswith(prefix) else None
    except ValueError:
        return None
