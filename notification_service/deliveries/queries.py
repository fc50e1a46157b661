"""Every statement about deliveries."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from notification_service.deliveries.models import Delivery, Status
from service_kit.database import HotConn, Tx
from service_kit.database.keyset import Position, Slice, keyset

# Moving `next_attempt_at` ahead is the hold: whoever crashes loses it by time alone, and whoever slept finds another
# moment there than the one it left. The address is the recipient's
# present one, which may have changed since the delivery was written down.
CLAIM = """
WITH due AS (
    SELECT id FROM deliveries WHERE status = 'pending' AND next_attempt_at <= now()
    ORDER BY next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE deliveries SET next_attempt_at = now() + $2::interval, address = coalesce(recipient.email, address)
    FROM due, recipients AS recipient
    WHERE deliveries.id = due.id AND recipient.customer_id = deliveries.customer_id
    RETURNING deliveries.*, recipient.full_name, recipient.email_verified
)
SELECT claimed.id, claimed.customer_id, claimed.in_order, claimed.next_attempt_at AS held_until, claimed.event_id,
       claimed.channel, claimed.attempts,
       claimed.address, coalesce(claimed.full_name, '') AS full_name, claimed.email_verified AS verified,
       told.title, told.body, told.facts, told.created_at AS happened_at
FROM claimed JOIN notifications AS told ON told.id = claimed.notification_id
ORDER BY told.created_at
"""
RENEW = """
UPDATE deliveries SET next_attempt_at = now() + $3::interval
WHERE id = ANY($1::uuid[]) AND status = 'pending' AND next_attempt_at = $2
RETURNING id, next_attempt_at
"""
# Not what somebody else has sent meanwhile because we took too long; and that it is sent is true whoever holds it.
SETTLE = """
UPDATE deliveries
SET status = outcome.status, error = outcome.error, attempts = deliveries.attempts + outcome.attempts,
    next_attempt_at = now() + outcome.wait, sent_at = CASE WHEN outcome.status = 'sent' THEN now() END
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::interval[])
     AS outcome (id, status, error, attempts, wait)
WHERE deliveries.id = outcome.id AND deliveries.status = 'pending'
  AND (outcome.status = 'sent' OR deliveries.next_attempt_at = $6)
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours to send, with what its message says."""

    id: UUID
    customer_id: UUID
    in_order: bool
    held_until: datetime
    event_id: UUID
    channel: str
    attempts: int
    address: str
    full_name: str
    verified: bool
    title: str
    body: str
    facts: dict[str, Any]
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended; `attempts` is 0 for one that can't be held against the message."""

    id: UUID
    status: Status
    error: str | None = None
    attempts: int = 1
    wait: timedelta = timedelta(0)


async def claim(connection: HotConn, limit: int, hold: timedelta) -> list[Claimed]:
    """What is due, for nobody else to send while `hold` lasts."""
    rows = await connection.fetch(CLAIM, limit, hold)
    return [Claimed(**{**row, "facts": json.loads(row["facts"])}) for row in rows]


async def renew(
    connection: HotConn, ids: Collection[UUID], held_until: datetime, hold: timedelta
) -> tuple[set[UUID], datetime]:
    """Those of them that are still ours, and until when from now on."""
    rows = await connection.fetch(RENEW, list(ids), held_until, hold)
    return {row["id"] for row in rows}, rows[0]["next_attempt_at"] if rows else held_until


async def settle(connection: HotConn, outcomes: Sequence[Outcome], held_until: datetime) -> None:
    await connection.execute(
        SETTLE,
        [outcome.id for outcome in outcomes],
        [outcome.status.value for outcome in outcomes],
        [outcome.error for outcome in outcomes],
        [outcome.attempts for outcome in outcomes],
        [outcome.wait for outcome in outcomes],
        held_until,
    )


async def page(tx: Tx, status: Status | None, customer_id: UUID | None, position: Position) -> Slice[Delivery]:
    statement = select(Delivery)
    if status is not None:
        statement = statement.where(col(Delivery.status) == status)
    if customer_id is not None:
        statement = statement.where(col(Delivery.customer_id) == customer_id)
    return await keyset(tx, statement, position, Delivery.id)


async def lock(tx: Tx, id: UUID) -> Delivery | None:
    """The delivery, held until the transaction ends, so that a sender can't settle it meanwhile."""
    return (await tx.exec(select(Delivery).where(col(Delivery.id) == id).with_for_update())).first()
