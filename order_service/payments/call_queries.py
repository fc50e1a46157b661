"""Statements about calls to a gateway: which process may call it about a payment, until when, and with what result.

Only one process at a time calls it about an open payment (until `call_until`), so that a charge that may still be in
progress is never mistaken for one that was never made.
"""

from datetime import datetime, timedelta
from uuid import UUID

from order_service.payments.models import IS_OPEN, Payment
from order_service.payments.queries import PAYMENT_COLUMNS
from service_kit import idempotency
from service_kit.clock import utcnow
from service_kit.database import Connection, Statement, Transaction
from service_kit.queue import Queue

# A payment that became due during the call (its order has ended, say) stays due.
_NOTE = """
UPDATE payments
SET gateway_charge_id = coalesce(gateway_charge_id, :charge_id), call_until = :now,
    check_at = CASE WHEN check_at < call_until THEN check_at ELSE :check_at END
WHERE id = :payment_id
"""
_NOTE_CALL = Statement(_NOTE)
_STORE_RESPONSE = Statement(f"WITH noted AS ({_NOTE}) {idempotency.STORE.text}")
_ABORT_CALL = Statement("""
WITH token AS (
    DELETE FROM payment_tokens WHERE order_id = :payment.order_id
)
UPDATE payments SET call_until = :now, check_at = :check_at WHERE id = :payment.id
""")
_TAKE = Statement(f"""
UPDATE payments SET call_until = now() + :lease::interval WHERE id = :id AND {IS_OPEN} AND call_until <= now()
RETURNING {PAYMENT_COLUMNS}
""")
_TAKE_DUE = Queue("payments", waiting=IS_OPEN, due="check_at").claim(
    f"SELECT {PAYMENT_COLUMNS} FROM claimed",
    only="call_until <= now() AND gateway = :gateway",
    also=", call_until = now() + :lease::interval",
)
_WANTED = Statement("""
SELECT t.token, t.traceparent FROM orders o LEFT JOIN payment_tokens t ON t.order_id = o.id
WHERE o.id = :order_id AND o.status = 'awaiting_payment'
""")


async def store_response(
    db: Connection,
    user_id: UUID,
    key: idempotency.Key,
    response: tuple[bytes, str],
    payment_id: UUID,
    charge_id: str | None,
    check_at: datetime,
) -> None:
    """Hot: `note_call`, and the response (201, body and location) for duplicate requests, in one statement that is its
    own transaction."""
    await _STORE_RESPONSE.execute(
        db, user_id=user_id, key=key, status=201, body=response[0], location=response[1],
        payment_id=payment_id, charge_id=charge_id, now=utcnow(), check_at=check_at,
    )  # fmt: skip


async def note_call(
    db: Transaction | Connection, payment_id: UUID, check_at: datetime, charge_id: str | None = None
) -> None:
    """Stores the result of a call: the charge's id, if known, and when to check again. Other processes may call now."""
    await _NOTE_CALL.execute(db, payment_id=payment_id, charge_id=charge_id, now=utcnow(), check_at=check_at)


async def abort_call(db: Connection, payment: Payment, check_at: datetime) -> None:
    """The call never reached the gateway: its token is deleted, and only a request that sends it again charges it."""
    await _ABORT_CALL.execute(db, payment=payment, now=utcnow(), check_at=check_at)


async def take(db: Connection, payment_id: UUID, lease: timedelta) -> Payment | None:
    """The payment, if it is open and no other process is calling the gateway about it; for `lease` only we may."""
    return await _TAKE.fetchrow_as(db, Payment, id=payment_id, lease=lease)


async def take_due(db: Connection, gateway: str, lease: timedelta, limit: int) -> list[Payment]:
    """Open payments that are due to be checked; for `lease` only we may call the gateway about them."""
    return await _TAKE_DUE.fetch_as(db, Payment, gateway=gateway, lease=lease, limit=limit)


async def wanted(db: Connection, order_id: UUID) -> tuple[bool, str | None, str | None]:
    """Whether the order awaits payment; and if it does, the token that its open payment may be charged with, and the
    `traceparent` of the request that brought the token."""
    row = await _WANTED.fetchrow(db, order_id=order_id)
    return (True, row[0], row[1]) if row else (False, None, None)
