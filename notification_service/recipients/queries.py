"""Every statement about recipients.

A recipient's row is the lock between those who tell (who share it) and those who change or erase it: so nothing is
written for a user who is being erased, and nothing is kept waiting for one who has just become known. Rows are locked
in ascending order of the id.
"""

from collections.abc import Collection, Sequence
from uuid import UUID

from contracts.events.users import UserChanged
from service_kit.database import Transaction

UPSERT = """
INSERT INTO recipients AS known (customer_id, version, email, full_name, email_verified, erased)
SELECT customer_id, version, email, full_name, email_verified, false
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bool[])
     AS event (customer_id, version, email, full_name, email_verified)
ORDER BY customer_id
ON CONFLICT (customer_id) DO UPDATE
SET (version, email, full_name, email_verified, release_withheld)
    = (excluded.version, excluded.email, excluded.full_name, excluded.email_verified,
       known.release_withheld OR (excluded.email_verified AND NOT known.email_verified))
WHERE known.version < excluded.version AND NOT known.erased
"""
# The id stays, so that no older snapshot restores the user.
ERASE = """
INSERT INTO recipients AS known (customer_id, version, email_verified, erased)
SELECT customer_id, 0, false, true FROM unnest($1::uuid[]) AS gone (customer_id) ORDER BY customer_id
ON CONFLICT (customer_id) DO UPDATE SET (email, full_name, email_verified, erased) = (NULL, NULL, false, true)
"""
# Deliveries go with their notifications.
DELETE_NOTIFICATIONS = "DELETE FROM notifications WHERE customer_id = ANY ($1)"
DELETE_PREFERENCES = "DELETE FROM preferences WHERE customer_id = ANY ($1)"

COUNT = "SELECT count(*) FROM recipients WHERE customer_id = ANY ($1)"
SHARE = "SELECT FROM recipients WHERE customer_id = ANY ($1) ORDER BY customer_id FOR SHARE"
# The update changes nothing: it is there to lock the rows that exist in one order with those that don't.
ADD_AND_LOCK = """
INSERT INTO recipients AS known (customer_id, version, email_verified, erased)
SELECT customer_id, 0, false, false FROM unnest($1::uuid[]) AS asked (customer_id) ORDER BY customer_id
ON CONFLICT (customer_id) DO UPDATE SET version = known.version
"""


async def upsert(tx: Transaction, users: Sequence[UserChanged]) -> None:
    """One statement for the batch; `version` decides, and the erased stay erased."""
    await tx.execute(
        UPSERT,
        [user.user_id for user in users],
        [user.version for user in users],
        [user.email for user in users],
        [user.full_name for user in users],
        [user.email_verified for user in users],
    )


async def erase(tx: Transaction, user_ids: Sequence[UUID]) -> None:
    """Erases the copy, the inbox, the preferences and the log of the mails."""
    for statement in (ERASE, DELETE_NOTIFICATIONS, DELETE_PREFERENCES):
        await tx.execute(statement, user_ids)


async def hold(tx: Transaction, customer_ids: Collection[UUID]) -> None:
    """Until the transaction ends nobody changes or erases these users. Those not known yet get an empty row to hold."""
    ids = sorted(set(customer_ids))
    there = await tx.fetchval(COUNT, ids)
    await tx.execute(SHARE if there == len(ids) else ADD_AND_LOCK, ids)
