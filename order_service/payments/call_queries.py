"""Statements about calls to a gateway: who may ask it about a payment until when, and what is known afterwards.

Only one caller at a time asks about an open payment (`call_until`), so that a charge that may still be under way is
never taken for one that was never made.
"""

from datetime import datetime
from uuid import UUID

from order_service.payments.models import IS_OPEN, Payment
from order_service.payments.queries import PAYMENT_COLUMNS
from service_kit import idempotency
from service_kit.database import Connection, Transaction
from service_kit.queue import Queue

# Due before the call was to end: something has happened during it (its order has ended, say), and it stays due.
_CHECK_AT = "CASE WHEN check_at < call_until THEN check_at ELSE {} END"

# $1 to $6 are those of the kit's statement that keeps an answer.
_STORE_RESPONSE = f"""
WITH noted AS (
    UPDATE payments
    SET gateway_charge_id = coalesce(gateway_charge_id, $8), call_until = $9,
        check_at = {_CHECK_AT.format("$10")}
    WHERE id = $7
)
{idempotency.STORE}
"""  # noqa: S608 (constants of ours)

_NOTE_CALL = f"""
UPDATE payments
SET gateway_charge_id = coalesce(gateway_charge_id, $2), call_until = $3, check_at = {_CHECK_AT.format("$4")}
WHERE id = $1
"""  # noqa: S608

_ABORT_CALL = """
WITH token AS (
    DELETE FROM payment_tokens WHERE order_id = $2
)
UPDATE payments SET call_until = $3, check_at = $4 WHERE id = $1
"""

_TAKE = f"""
UPDATE payments SET call_until = now() + $2::interval WHERE id = $1 AND {IS_OPEN} AND call_until <= now()
RETURNING {PAYMENT_COLUMNS}
"""  # noqa: S608

_TAKE_DUE = Queue("payments", waiting=IS_OPEN, due="check_at").claim(
    f"SELECT {PAYMENT_COLUMNS} FROM claimed",  # noqa: S608
    only="call_until <= now() AND gateway = $3",
    also=", call_until = now() + $2::interval",
)

_WANTED = """
SELECT o.status = 'awaiting_payment' AS wanted, t.token
FROM orders o LEFT JOIN payment_tokens t ON t.order_id = o.id
WHERE o.id = $1
"""


async def store_response(
    db: Connection,
    kept: tuple[UUID, idempotency.Key, int, bytes, str],
    payment_id: UUID,
    charge_id: str | None,
    call_until: datetime,
    check_at: datetime,
) -> None:
    """Hot: `note_call`, and the response for repeated requests, in one statement that is its own transaction."""
    user_id, key, status, body, location = kept
    await db.execute(
        _STORE_RESPONSE, user_id, key.operation, key.value, status, body, location,
        payment_id, charge_id, call_until, check_at,
    )  # fmt: skip


async def note_call(
    db: Transaction | Connection, payment_id: UUID, charge_id: str | None, call_until: datetime, check_at: datetime
) -> None:
    """What is known after a call to the gateway: the charge, if it was named, and when to look again."""
    await db.execute(_NOTE_CALL, payment_id, charge_id, call_until, check_at)


async def abort_call(db: Connection, payment: Payment, call_until: datetime, check_at: datetime) -> None:
    """The call never reached the gateway: only a request that brings the token again repeats it."""
    await db.execute(_ABORT_CALL, payment.id, payment.order_id, call_until, check_at)


async def take(db: Connection, payment_id: UUID, now: datetime, until: datetime) -> Payment | None:
    """The payment, if it is open and nobody else is asking the gateway about it; ours to ask until `until`."""
    row = await db.fetchrow(_TAKE, payment_id, until - now)
    return Payment(**row) if row else None


async def take_due(db: Connection, gateway: str, now: datetime, until: datetime, limit: int) -> list[Payment]:
    """Open payments that are to be looked at now; ours to ask until `until`."""
    return [Payment(**row) for row in await db.fetch(_TAKE_DUE, limit, until - now, gateway)]


async def wanted(db: Connection, order_id: UUID) -> tuple[bool, str | None]:
    """Whether the order still wants money, and the token that its open payment may be charged with, if it does."""
    row = await db.fetchrow(_WANTED, order_id)
    return (True, row["token"]) if row and row["wanted"] else (False, None)
