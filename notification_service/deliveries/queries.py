"""Every statement about deliveries."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from notification_service.channels import CHANNELS, Channel, Message
from notification_service.deliveries import withheld_queries
from notification_service.deliveries.models import Delivery, Status
from service_kit.database import Connection, Session, Statement
from service_kit.database.keyset import Position, Slice, keyset, matching
from service_kit.queue import Outcome, Queue

DUE = "deliveries-due"
"""The signal that deliveries are due, which wakes the jobs."""

QUEUE = Queue("deliveries", waiting="status = 'pending'")


def _deliveries_by(channel: Channel) -> str:
    return f"""
SELECT uuidv7(), added.id, added.event_id, added.customer_id, added.kind, '{channel.name}', {channel.address},
       CASE WHEN ({channel.withheld}) IS NULL THEN 'pending' ELSE 'withheld' END, {channel.withheld}, 0, now(), now()
FROM added
JOIN recipients AS recipient USING (customer_id)
LEFT JOIN preferences USING (customer_id)
WHERE added.told_at IS NOT NULL AND (added.kind = ANY (preferences.{channel.disabled_kinds})) IS NOT TRUE
  AND {channel.condition}"""


INSERT = f"""
INSERT INTO deliveries (id, notification_id, event_id, customer_id, kind, channel, address, status, error, attempts,
                        next_attempt_at, created_at)
{" UNION ALL ".join(map(_deliveries_by, CHANNELS))}
"""
"""The end of a statement with the CTE `added`: inserts deliveries of these notifications, if customers want them.
Those that may not be sent yet are withheld."""


# After our lease, another process may have claimed the delivery. Then only the success of our attempt is stored.
FINISH = Statement("""
UPDATE deliveries
SET status = outcome.status, error = coalesce(outcome.error, outcome.withheld),
    attempts = deliveries.attempts + (outcome.status <> 'withheld')::int,
    sent_at = CASE WHEN outcome.status = 'sent' THEN now() END
FROM unnest(:outcome[].row.id::uuid[], :outcome[].name::text[], :outcome[].error::text[],
            :outcome[].row.withheld::text[]) AS outcome (id, status, error, withheld)
WHERE deliveries.id = outcome.id AND deliveries.status = 'pending'
  AND (outcome.status = 'sent' OR deliveries.next_attempt_at = :held_until)
""")


@cache
def _claim(channel: Channel) -> Statement:
    present = f"SELECT {channel.address} FROM recipients AS recipient WHERE customer_id = deliveries.customer_id"
    return QUEUE.claim(
        f"""
        SELECT claimed.id, claimed.kind, claimed.customer_id, in_order, next_attempt_at AS held_until, claimed.event_id,
               attempts, address, coalesce(recipient.full_name, '') AS full_name, recipient.email_verified,
               {channel.withheld} AS withheld,
               added.title, added.body, added.facts, added.created_at AS happened_at
        FROM claimed
        JOIN notifications AS added ON added.id = claimed.notification_id
        JOIN recipients AS recipient ON recipient.customer_id = claimed.customer_id
        ORDER BY added.created_at
        """,
        only=f"channel = '{channel.name}'",
        also=f", address = coalesce(({present}), address)",
    )


async def claim(connection: Connection, limit: int, lease: timedelta, channel: Channel) -> list[Message]:
    """Leases messages that are due to this process. They get their recipients' present addresses, which may have
    changed since the deliveries were stored."""
    return await _claim(channel).fetch_as(connection, Message, limit=limit, lease=lease)


async def finish(connection: Connection, outcomes: Sequence[Outcome[Message]], held_until: datetime) -> None:
    await FINISH.execute(connection, outcome=outcomes, held_until=held_until)
    if withheld := [outcome.row.id for outcome in outcomes if outcome.name == Status.WITHHELD]:
        await withheld_queries.recheck(connection, withheld)


async def page(tx: Session, status: Status | None, customer_id: UUID | None, position: Position) -> Slice[Delivery]:
    return await keyset(tx, matching(Delivery, status=status, customer_id=customer_id), position, Delivery.id)


async def lock(tx: Session, id: UUID) -> Delivery | None:
    """Locks the delivery until the transaction ends, so that no job can change it meanwhile."""
    return await tx.get(Delivery, id, with_for_update=True)
