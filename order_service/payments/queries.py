"""Every statement about payments and refunds. To change an order's payments or refunds, lock the order first."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from sqlmodel import col, select

from contracts.events.base import Event
from order_service.orders import queries as orders
from order_service.orders.lifecycle import OrderState
from order_service.orders.models import PaymentToken
from order_service.payments.models import BANK_TRANSFER, IS_OPEN, Account, Payment, PaymentState, Refund
from service_kit.database import (
    AnySession,
    Connection,
    Session,
    Statement,
    Transaction,
    insert,
    mark_events_added,
    rows,
)
from service_kit.database.keyset import Position, Slice, keyset
from service_kit.messaging import outbox
from service_kit.queue import Queue

Row = TypeVar("Row", Payment, Refund)

PAYMENT_COLUMNS = ", ".join(Payment.model_fields)
_REFUND_COLUMNS = ", ".join(f"refunds.{name}" for name in Refund.model_fields)
_SAVED = (
    "status", "amount", "currency", "gateway_charge_id", "failure_reason", "settled_at", "version", "check_at",
    "action_type", "action_url",
)  # fmt: skip

_LOCK_PAYMENTS = Statement(f"""
SELECT {PAYMENT_COLUMNS} FROM payments WHERE order_id = ANY(:order_ids::uuid[]) ORDER BY id FOR UPDATE
""")
_REFUNDS = Statement(f"SELECT {_REFUND_COLUMNS} FROM refunds WHERE order_id = ANY(:order_ids::uuid[]) ORDER BY id")
_PAYMENT = Statement(f"""
SELECT {PAYMENT_COLUMNS} FROM payments WHERE id = :id AND (:owner::uuid IS NULL OR customer_id = :owner)
""")
_REFUND = Statement(f"""
SELECT {_REFUND_COLUMNS} FROM refunds JOIN payments p ON p.id = payment_id
WHERE refunds.id = :id AND (:owner::uuid IS NULL OR p.customer_id = :owner)
""")
_OF_REQUEST = Statement(f"""
SELECT {PAYMENT_COLUMNS} FROM payments WHERE (order_id, opened_by, request_key) = (:order_id, :by, :request_key)
""")
_STORED_STATUS = Statement("SELECT order_id, gateway, status FROM payments WHERE id = :id")
_OF_CHARGE = Statement("SELECT id, order_id FROM payments WHERE gateway = :gateway AND gateway_charge_id = :charge_id")
_REFUND_OF_REFERENCE = Statement("""
SELECT id FROM refunds WHERE gateway = :gateway AND gateway_refund_id = :reference
""")
_TOKENS = Statement("SELECT order_id, token, traceparent FROM payment_tokens WHERE order_id = ANY(:order_ids::uuid[])")
_INSERT_PAYMENTS = Statement(f"""
WITH payment AS (
    {insert("payments", Payment)}
), token AS (
    {insert("tokens", PaymentToken)} ON CONFLICT (order_id)
    DO UPDATE SET token = excluded.token, traceparent = excluded.traceparent
)
{outbox.INSERT}
""")
_SAVE_PAYMENTS = Statement(f"""
WITH payment AS (
    UPDATE payments SET {", ".join(f"{name} = changed.{name}" for name in _SAVED)}
    FROM {rows("changed", Payment, "id", *_SAVED)} WHERE payments.id = changed.id
), used_token AS (
    DELETE FROM payment_tokens WHERE order_id = ANY(:changed[].order_id::uuid[])
)
{outbox.INSERT}
""")
_INSERT_REFUNDS = Statement(f"""
WITH refund AS (
    {insert("refunds", Refund)}
), payment AS (
    UPDATE payments SET version = charged.version FROM {rows("charged", Payment, "id", "version")}
    WHERE payments.id = charged.id
), refunding AS (
    UPDATE orders SET refunding = :order.refunding WHERE id = :order.id
)
{outbox.INSERT}
""")
_SAVE_REFUND = Statement(f"""
WITH refund AS (
    UPDATE refunds SET status = :refund.status, gateway_refund_id = :refund.gateway_refund_id,
        failure_reason = :refund.failure_reason, settled_at = :refund.settled_at
    WHERE id = :refund.id
), payment AS (
    UPDATE payments SET version = :payment.version WHERE id = :payment.id
), refunded AS (
    UPDATE orders SET refunded = :order.refunded, refunding = :order.refunding WHERE id = :order.id
), to_credit AS (  -- nothing, unless invoices are issued
    INSERT INTO invoice_requests (order_id, refund_id, at)
    SELECT :order.id, :refund.id, :refund.settled_at FROM invoice_policy WHERE :refund.status = 'succeeded'
)
{outbox.INSERT}
""")
_TAKE_DUE_REFUNDS = Queue("refunds", waiting="status = 'requested'").claim(
    f"SELECT {_REFUND_COLUMNS}, p.gateway_charge_id FROM claimed AS refunds JOIN payments p ON p.id = payment_id"
    " WHERE p.gateway_charge_id IS NOT NULL",
    only="gateway = :gateway",
    also=", attempts = attempts + 1",
)
_RETRY_REFUND = Statement("""
UPDATE refunds SET gateway_refund_id = coalesce(gateway_refund_id, :gateway_refund_id),
                   next_attempt_at = now() + :wait::interval
WHERE id = :id
""")
_COUNT_OVERDUE = Statement(f"""
SELECT (SELECT count(*) FROM payments WHERE {IS_OPEN} AND status <> 'action_required' AND created_at <= :since),
       (SELECT count(*) FROM refunds
        WHERE status = 'requested' AND gateway <> '{BANK_TRANSFER}' AND created_at <= :since)
""")


async def accounts(tx: Transaction, order_ids: Sequence[UUID], *, refunds: bool = True) -> dict[UUID, Account]:
    """The payments of these orders, locked, and their refunds, if they are wanted."""
    found = {order_id: Account([], []) for order_id in order_ids}
    for payment in await _LOCK_PAYMENTS.fetch_as(tx, Payment, order_ids=list(found)):
        found[payment.order_id].payments.append(payment)
    for refund in await _REFUNDS.fetch_as(tx, Refund, order_ids=list(found)) if refunds else ():
        found[refund.order_id].refunds.append(refund)
    return found


async def account(tx: Transaction, order_id: UUID) -> Account:
    """One order's payments, locked, and refunds."""
    return (await accounts(tx, [order_id]))[order_id]


async def find_payment(db: AnySession, payment_id: UUID, owner: UUID | None = None) -> Payment | None:
    """Not locked. `owner` None: any customer's."""
    return await _PAYMENT.fetchrow_as(db, Payment, id=payment_id, owner=owner)


async def find_refund(db: AnySession, refund_id: UUID, owner: UUID | None) -> Refund | None:
    """`owner` None: any customer's."""
    return await _REFUND.fetchrow_as(db, Refund, id=refund_id, owner=owner)


async def payment_of_request(db: AnySession, order_id: UUID, by: UUID, request_key: str) -> Payment | None:
    """The payment that a request with this Idempotency-Key opened."""
    return await _OF_REQUEST.fetchrow_as(db, Payment, order_id=order_id, by=by, request_key=request_key)


class StoredStatus(NamedTuple):
    """A payment's status, read without a lock."""

    order_id: UUID
    gateway: str
    status: PaymentState


async def stored_status(db: AnySession, payment_id: UUID) -> StoredStatus | None:
    """Hot: most webhooks report a known status, and end here."""
    row = await _STORED_STATUS.fetchrow(db, id=payment_id)
    return StoredStatus(row[0], row[1], PaymentState(row[2])) if row else None


async def of_charge(db: AnySession, gateway: str, charge_id: str) -> tuple[UUID, UUID] | None:
    """The payment and the order that a gateway's charge is for."""
    found: tuple[UUID, UUID] | None = await _OF_CHARGE.fetchrow(db, gateway=gateway, charge_id=charge_id)
    return found


async def refund_of_reference(db: AnySession, gateway: str, reference: str) -> UUID | None:
    """The refund that has this id at its gateway."""
    found: UUID | None = await _REFUND_OF_REFERENCE.fetchval(db, gateway=gateway, reference=reference)
    return found


async def count_overdue(db: AnySession, since: datetime) -> tuple[int, int]:
    """The payments and refunds that began before `since` and whose outcome is unknown. Not those that wait for their
    customer, or for staff."""
    payments, refunds = await _COUNT_OVERDUE.fetchrow(db, since=since)
    return payments, refunds


async def tokens_of(db: AnySession, order_ids: Sequence[UUID]) -> dict[UUID, tuple[str, str | None]]:
    """The payment tokens of those orders that have one, each with the `traceparent` of its request."""
    return {row[0]: (row[1], row[2]) for row in await _TOKENS.fetch(db, order_ids=order_ids)}


async def insert_payments(
    tx: Transaction, payments: Sequence[Payment], events: Sequence[outbox.Row], tokens: Sequence[PaymentToken] = ()
) -> None:
    """Hot: the payments of a batch, their events, and the tokens that charge them while they are pending, instead of
    those that the orders came with, in one statement."""
    await _write(tx, _INSERT_PAYMENTS, events, payments=payments, tokens=tokens)


async def save_payments(tx: Transaction, changed: Sequence[Payment], events: Sequence[outbox.Row]) -> None:
    """Hot: changed payments and their events; the tokens that charged them are deleted."""
    await _write(tx, _SAVE_PAYMENTS, events, changed=changed)


async def insert_refunds(
    tx: Transaction, order: OrderState, refunds: Sequence[Refund], charged: Sequence[Payment], *events: Event
) -> None:
    """An order's refunds, the new versions of their payments, how much is being refunded in all, and
    the events."""
    await _write(tx, _INSERT_REFUNDS, outbox.rows(events), refunds=refunds, charged=charged, order=order)


async def save_refund(tx: Transaction, order: OrderState, refund: Refund, payment: Payment, *events: Event) -> None:
    """A settled refund, its payment's version, and how much of the order's money was refunded or is being refunded."""
    await _write(tx, _SAVE_REFUND, outbox.rows(events), refund=refund, payment=payment, order=order)
    orders.signal_changed(tx, [order])  # its payment status may have changed, without a step of the order itself


async def _write(tx: Transaction, statement: Statement, events: Sequence[outbox.Row], **values: Any) -> None:
    await statement.execute(tx, events=events, **values)
    if events:
        mark_events_added(tx)


async def take_due_refunds(db: Connection, gateway: str, lease: timedelta, limit: int) -> list[tuple[Refund, str]]:
    """Refunds that are due, and their charges; for `lease` only we may call the gateway about them."""

    def refund_of(gateway_charge_id: str, **refund: Any) -> tuple[Refund, str]:
        return Refund(**refund), gateway_charge_id

    return await _TAKE_DUE_REFUNDS.fetch_as(db, refund_of, gateway=gateway, lease=lease, limit=limit)


async def retry_refund(db: Connection, refund_id: UUID, wait: timedelta, gateway_refund_id: str | None = None) -> None:
    await _RETRY_REFUND.execute(db, id=refund_id, wait=wait, gateway_refund_id=gateway_refund_id)


async def page(tx: Session, model: type[Row], position: Position, **equal: Any) -> Slice[Row]:
    """`equal` are columns with the values that they must have (None: any)."""
    conditions = [col(getattr(model, name)) == value for name, value in equal.items() if value is not None]
    return await keyset(tx, select(model).where(*conditions), position, model.created_at, model.id)
