"""Every statement about payments and refunds. Whoever changes an order's payments or refunds holds the order's row."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel import col, select

from contracts.events.base import Event
from order_service.orders import queries as orders
from order_service.orders.lifecycle import OrderState
from order_service.payments.models import Account, Payment, PaymentState, Refund
from service_kit.database import Connection, Session, Transaction
from service_kit.database.keyset import Position, Slice, keyset
from service_kit.messaging import outbox
from service_kit.queue import Queue
from service_kit.telemetry.tracing import current_traceparent

PAYMENT_COLUMNS = ", ".join(Payment.model_fields)
REFUND_COLUMNS = ", ".join(Refund.model_fields)

_PAYMENT_TYPES = (
    *("uuid", "uuid", "uuid", "bigint", "text", "text", "text", "text", "uuid", "text", "text", "int"),
    *("timestamptz", "timestamptz", "timestamptz", "timestamptz", "text", "text", "text"),
)
_INSERT_PAYMENTS = f"""
WITH payment AS (
    INSERT INTO payments ({PAYMENT_COLUMNS})
    SELECT * FROM unnest({", ".join(f"${n}::{type}[]" for n, type in enumerate(_PAYMENT_TYPES, 1))})
), token AS (
    INSERT INTO payment_tokens (order_id, token, created_at)
    SELECT given.*, now() FROM unnest(${len(_PAYMENT_TYPES) + 1}::uuid[], ${len(_PAYMENT_TYPES) + 2}::text[]) AS given
    ON CONFLICT (order_id) DO UPDATE SET token = excluded.token
)
INSERT INTO outbox ({outbox.INSERT_COLUMNS}) SELECT * FROM {outbox.unnest(len(_PAYMENT_TYPES) + 3)}
"""

_SAVED = {
    "id": "uuid",
    "status": "text",
    "amount": "bigint",
    "currency": "text",
    "gateway_charge_id": "text",
    "failure_reason": "text",
    "settled_at": "timestamptz",
    "version": "int",
    "check_at": "timestamptz",
    "action_type": "text",
    "action_url": "text",
    "order_id": "uuid",
}
_SAVE_PAYMENTS = f"""
WITH payment AS (
    UPDATE payments SET {", ".join(f"{name} = n.{name}" for name in _SAVED if name not in ("id", "order_id"))}
    FROM unnest({", ".join(f"${n}::{type}[]" for n, type in enumerate(_SAVED.values(), 1))}) AS n ({", ".join(_SAVED)})
    WHERE payments.id = n.id
), used_token AS (
    DELETE FROM payment_tokens WHERE order_id = ANY(${len(_SAVED)}::uuid[])
)
INSERT INTO outbox ({outbox.INSERT_COLUMNS}) SELECT * FROM {outbox.unnest(len(_SAVED) + 1)}
"""

_INSERT_REFUNDS = f"""
WITH refund AS (
    INSERT INTO refunds ({REFUND_COLUMNS})
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::text[],
                         $8::uuid[], $9::text[], $10::text[], $11::text[], $12::int[], $13::timestamptz[],
                         $14::timestamptz[], $15::timestamptz[], $16::uuid[], $17::text[])
), payment AS (
    UPDATE payments p SET version = v.version FROM unnest($18::uuid[], $19::int[]) AS v (id, version) WHERE p.id = v.id
), booked AS (
    UPDATE orders SET refunding = $21 WHERE id = $20
)
INSERT INTO outbox ({outbox.INSERT_COLUMNS}) SELECT * FROM {outbox.unnest(22)}
"""

_SAVE_REFUND = f"""
WITH refund AS (
    UPDATE refunds SET status = $2, gateway_refund_id = $3, failure_reason = $4, settled_at = $5 WHERE id = $1
), payment AS (
    UPDATE payments SET version = $7 WHERE id = $6
), booked AS (
    UPDATE orders SET refunded = $9, refunding = $10 WHERE id = $8
)
INSERT INTO outbox ({outbox.INSERT_COLUMNS}) SELECT * FROM {outbox.unnest(11)}
"""

_TAKE_DUE_REFUNDS = Queue("refunds", waiting="status = 'requested'").claim(
    f"SELECT {', '.join(f'claimed.{name}' for name in Refund.model_fields)}, p.gateway_charge_id"
    " FROM claimed JOIN payments p ON p.id = claimed.payment_id",
    only="gateway = $3",
    also=", attempts = attempts + 1",
)


class PaymentEvents:
    """Events about payments, each with the trace that it belongs to (None: that of whoever says it)."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._traceparents: list[str | None] = []

    def add(self, event: Event, traceparent: str | None = None) -> None:
        self._events.append(event)
        self._traceparents.append(traceparent or current_traceparent())

    def __bool__(self) -> bool:
        return bool(self._events)

    def columns(self) -> outbox.Columns:
        return outbox.columns(self._events, self._traceparents)


async def accounts(tx: Transaction, order_ids: Sequence[UUID], *, refunds: bool = True) -> dict[UUID, Account]:
    """The payments, held, and, if they are wanted, the refunds of these orders."""
    found = {order_id: Account([], []) for order_id in order_ids}
    payments = await tx.fetch(
        f"SELECT {PAYMENT_COLUMNS} FROM payments WHERE order_id = ANY($1::uuid[]) ORDER BY id FOR UPDATE", list(found)
    )
    for row in payments:
        found[row["order_id"]].payments.append(Payment(**row))
    given_back = f"SELECT {REFUND_COLUMNS} FROM refunds WHERE order_id = ANY($1::uuid[]) ORDER BY id"
    for row in await tx.fetch(given_back, list(found)) if refunds else ():
        found[row["order_id"]].refunds.append(Refund(**row))
    return found


async def account(tx: Transaction, order_id: UUID) -> Account:
    """One order's payments, held, and refunds."""
    return (await accounts(tx, [order_id]))[order_id]


async def payment(db: Transaction | Connection, payment_id: UUID, owner: UUID | None = None) -> Payment | None:
    """As it is now, not held. `owner` None: anybody's."""
    row = await db.fetchrow(
        f"SELECT {PAYMENT_COLUMNS} FROM payments WHERE id = $1 AND ($2::uuid IS NULL OR customer_id = $2)",
        payment_id,
        owner,
    )
    return Payment(**row) if row else None


async def payment_of_request(
    db: Transaction | Connection, order_id: UUID, by: UUID, request_key: str
) -> Payment | None:
    """The payment that a request with this Idempotency-Key opened."""
    row = await db.fetchrow(
        f"SELECT {PAYMENT_COLUMNS} FROM payments WHERE (order_id, opened_by, request_key) = ($1, $2, $3)",
        order_id,
        by,
        request_key,
    )
    return Payment(**row) if row else None


class StoredStatus(NamedTuple):
    """A payment's status, read without a lock."""

    order_id: UUID
    gateway: str
    status: PaymentState


async def stored_status(db: Transaction | Connection, payment_id: UUID) -> StoredStatus | None:
    """Hot: most webhooks report a known status, and end here."""
    row = await db.fetchrow("SELECT order_id, gateway, status FROM payments WHERE id = $1", payment_id)
    return StoredStatus(row[0], row[1], PaymentState(row[2])) if row else None


async def order_of_payment(db: Transaction | Connection, payment_id: UUID) -> UUID | None:
    found: UUID | None = await db.fetchval("SELECT order_id FROM payments WHERE id = $1", payment_id)
    return found


async def order_of_charge(db: Transaction | Connection, gateway: str, charge_id: str) -> tuple[UUID, UUID] | None:
    """The payment and the order that a gateway's charge is for."""
    row = await db.fetchrow(
        "SELECT id, order_id FROM payments WHERE gateway = $1 AND gateway_charge_id = $2", gateway, charge_id
    )
    return (row["id"], row["order_id"]) if row else None


async def insert_payments(
    tx: Transaction,
    payments: Sequence[Payment],
    payment_events: PaymentEvents,
    tokens: Mapping[UUID, str] = MappingProxyType({}),
) -> None:
    """Hot: payments, what is published about them, and, by order, the tokens that charge them (as long as they are
    pending, instead of what the order came with), in one statement for all of a batch."""
    columns = [[getattr(payment, name) for payment in payments] for name in Payment.model_fields]
    await tx.execute(_INSERT_PAYMENTS, *columns, list(tokens), list(tokens.values()), *payment_events.columns())
    tx.added_events = tx.added_events or bool(payment_events)


async def save_payments(tx: Transaction, payments: Sequence[Payment], payment_events: PaymentEvents) -> None:
    """Hot: payments that moved on, what is published about them, and the end of the tokens that charge them."""
    columns = [[getattr(payment, name) for payment in payments] for name in _SAVED]
    await tx.execute(_SAVE_PAYMENTS, *columns, *payment_events.columns())
    tx.added_events = tx.added_events or bool(payment_events)


async def tokens_of(db: Transaction | Connection, order_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The tokens that these orders came with, as far as they have any."""
    rows = await db.fetch("SELECT order_id, token FROM payment_tokens WHERE order_id = ANY($1)", list(order_ids))
    return {row[0]: row[1] for row in rows}


async def insert_refunds(
    tx: Transaction, order: OrderState, refunds: Sequence[Refund], versions: dict[UUID, int], *events: Event
) -> None:
    """An order's refunds, their payments' new versions, what is on its way back in all, and what is published."""
    columns = [[getattr(refund, name) for refund in refunds] for name in Refund.model_fields]
    booked = list(versions), list(versions.values()), order.id, order.refunding
    await tx.execute(_INSERT_REFUNDS, *columns, *booked, *outbox.columns(events))
    tx.added_events = tx.added_events or bool(events)


async def save_refund(tx: Transaction, order: OrderState, refund: Refund, payment_version: int, *events: Event) -> None:
    """A settled refund, its payment's version, and what of the order's money went back or is on its way."""
    await tx.execute(
        _SAVE_REFUND,
        refund.id,
        refund.status,
        refund.gateway_refund_id,
        refund.failure_reason,
        refund.settled_at,
        refund.payment_id,
        payment_version,
        order.id,
        order.refunded,
        order.refunding,
        *outbox.columns(events),
    )
    tx.added_events = tx.added_events or bool(events)
    # Its payment status may be another, without a step of the order itself.
    orders.signal_changed(tx, [order])


async def take_due_refunds(
    db: Connection, gateway: str, now: datetime, until: datetime, limit: int
) -> list[tuple[Refund, str]]:
    """Refunds that are to be asked of the gateway now, and their charges; nobody else asks before `until`."""
    rows = [dict(row) for row in await db.fetch(_TAKE_DUE_REFUNDS, limit, until - now, gateway)]
    return [(Refund(**row), charge_id) for row in rows if (charge_id := row.pop("gateway_charge_id"))]


async def retry_refund(db: Connection, refund_id: UUID, gateway_refund_id: str | None, after: timedelta) -> None:
    await db.execute(
        "UPDATE refunds SET gateway_refund_id = coalesce(gateway_refund_id, $2), next_attempt_at = now() + $3"
        " WHERE id = $1",
        refund_id,
        gateway_refund_id,
        after,
    )


async def payments_of_order(tx: Session, position: Position, order_id: UUID) -> Slice[Payment]:
    statement = select(Payment).where(Payment.order_id == order_id)
    return await keyset(tx, statement, position, Payment.created_at, Payment.id)


async def refunds_of_payment(tx: Session, position: Position, payment_id: UUID) -> Slice[Refund]:
    statement = select(Refund).where(Refund.payment_id == payment_id)
    return await keyset(tx, statement, position, Refund.created_at, Refund.id)


async def list_payments(tx: Session, position: Position, **equal: Any) -> Slice[Payment]:
    """`equal` are columns with the values that they must have (None: any)."""
    return await keyset(tx, _filtered(Payment, equal), position, Payment.created_at, Payment.id)


async def list_refunds(tx: Session, position: Position, **equal: Any) -> Slice[Refund]:
    return await keyset(tx, _filtered(Refund, equal), position, Refund.created_at, Refund.id)


def _filtered(model: type[Payment] | type[Refund], equal: dict[str, Any]) -> Any:
    wanted = {name: value for name, value in equal.items() if value is not None}
    return select(model).where(*(col(getattr(model, name)) == value for name, value in wanted.items()))


async def find_payment(tx: Session, payment_id: UUID, owner: UUID | None) -> Payment | None:
    """`owner` None: anybody's."""
    statement = select(Payment).where(Payment.id == payment_id)
    if owner is not None:
        statement = statement.where(Payment.customer_id == owner)
    return (await tx.exec(statement)).first()


async def find_refund(tx: Session, refund_id: UUID, owner: UUID | None) -> Refund | None:
    """`owner` None: anybody's."""
    statement = select(Refund).where(Refund.id == refund_id)
    if owner is not None:
        statement = statement.join(Payment, col(Payment.id) == Refund.payment_id).where(Payment.customer_id == owner)
    return (await tx.exec(statement)).first()
