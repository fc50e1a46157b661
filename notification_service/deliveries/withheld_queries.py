"""Every statement about mails that are withheld until the recipient has confirmed the address."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from notification_service.channels.email import EMAIL, NOT_VERIFIED
from notification_service.kinds import Kind
from service_kit.database import Connection, Statement, Transaction, rows


class Rule(NamedTuple):
    """A mail of `kind` is obsolete if the order has a later notification of kind `superseded_by`."""

    kind: Kind
    superseded_by: Kind


NO_LONGER_OF_USE = "no longer of use, or not wanted, when the address was confirmed"
CLAIM = Statement("""
SELECT customer_id FROM recipients WHERE release_withheld ORDER BY customer_id LIMIT :limit FOR UPDATE SKIP LOCKED
""")
# `next_attempt_at` differs by microseconds, so that batches are claimed in the order of the events.
RELEASE = Statement(f"""
WITH withheld AS (
    SELECT delivery.id, added.created_at, recipient.email,
           added.created_at > now() - :max_age::interval
           AND (delivery.kind = ANY (preferences.{EMAIL.disabled_kinds})) IS NOT TRUE
           AND NOT EXISTS (
               SELECT FROM notifications AS later
               JOIN {rows("rule", Rule)} ON rule.superseded_by = later.kind
               WHERE rule.kind = delivery.kind AND later.order_id = added.order_id
                 AND later.created_at >= added.created_at
           ) AS of_use
    FROM deliveries AS delivery
    JOIN notifications AS added ON added.id = delivery.notification_id
    JOIN recipients AS recipient ON recipient.customer_id = delivery.customer_id AND recipient.email_verified
    LEFT JOIN preferences ON preferences.customer_id = delivery.customer_id
    WHERE delivery.customer_id = ANY (:customer_ids) AND delivery.channel = '{EMAIL.name}'
      AND delivery.status = 'withheld' AND delivery.error = '{NOT_VERIFIED}'
), numbered AS (
    SELECT *, row_number() OVER (ORDER BY created_at, id) AS number FROM withheld
)
UPDATE deliveries
SET status = CASE WHEN of_use THEN 'pending' ELSE 'withheld' END,
    error = CASE WHEN NOT of_use THEN '{NO_LONGER_OF_USE}' END,
    in_order = true, address = numbered.email, next_attempt_at = now() + number * interval '1 microsecond'
FROM numbered WHERE deliveries.id = numbered.id
RETURNING deliveries.status
""")
DONE = Statement("UPDATE recipients SET release_withheld = false WHERE customer_id = ANY (:customer_ids)")
RECHECK = Statement("""
UPDATE recipients SET release_withheld = true
WHERE email_verified AND customer_id IN (SELECT customer_id FROM deliveries WHERE id = ANY (:delivery_ids))
""")


async def claim(tx: Transaction, limit: int) -> list[UUID]:
    """Locks recipients who confirmed their address, so that no notification is added before the transaction ends."""
    return [row["customer_id"] for row in await CLAIM.fetch(tx, limit=limit)]


async def release(
    tx: Transaction, customer_ids: Sequence[UUID], max_age: timedelta, rules: Sequence[Rule]
) -> list[str]:
    """Makes withheld mails due, except those that are obsolete or disabled. Returns the status of each."""
    released = await RELEASE.fetch(tx, customer_ids=customer_ids, max_age=max_age, rule=rules)
    await DONE.execute(tx, customer_ids=customer_ids)
    return [row["status"] for row in released]


async def recheck(connection: Connection, delivery_ids: Sequence[UUID]) -> None:
    """Makes the job examine mails that were just withheld, since the address may have been confirmed meanwhile."""
    await RECHECK.execute(connection, delivery_ids=delivery_ids)
