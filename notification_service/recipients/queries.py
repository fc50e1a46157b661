"""Every statement about recipients.

Transactions that notify a customer take a shared lock on the recipient's row. Those that change or erase the customer
lock it exclusively. So nothing is added for a customer who is being erased, and no notification stays hidden from one
who has just become known. To avoid deadlocks, rows are locked in ascending order of the id.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from contracts.events.users import UserChanged, UserMerged
from contracts.permissions import Role
from service_kit.database import Statement, Transaction, rows


class _Recipient(NamedTuple):
    user_id: UUID
    version: int
    email: str
    full_name: str
    email_verified: bool
    guest: bool


UPSERT = Statement(f"""
INSERT INTO recipients AS known (customer_id, version, email, full_name, email_verified, guest, erased)
SELECT event.*, false FROM {rows("event", _Recipient)}
ORDER BY user_id
ON CONFLICT (customer_id) DO UPDATE
SET (version, email, full_name, email_verified, guest, release_withheld)
    = (excluded.version, excluded.email, excluded.full_name, excluded.email_verified, excluded.guest,
       known.release_withheld OR (excluded.email_verified AND NOT known.email_verified))
WHERE known.version < excluded.version AND NOT known.erased
""")
_EMPTY = """
INSERT INTO recipients AS known (customer_id, version, email_verified, erased)
SELECT id, 0, false, {erased} FROM unnest(:ids::uuid[]) AS id ORDER BY id ON CONFLICT (customer_id) DO UPDATE SET
"""
# The row stays, so that no older snapshot restores the customer. Deliveries are deleted by the foreign key's cascade.
ERASE = (
    Statement(_EMPTY.format(erased=True) + "email = NULL, full_name = NULL, email_verified = false, erased = true"),
    Statement("DELETE FROM notifications WHERE customer_id = ANY (:ids)"),
    Statement("DELETE FROM preferences WHERE customer_id = ANY (:ids)"),
)
_MERGED = rows("event", UserMerged, "user_id", "version", "into")
NOT_MERGED = Statement(f"""
SELECT event.user_id FROM {_MERGED}
WHERE NOT EXISTS (SELECT FROM recipients WHERE customer_id = event.user_id AND version >= event.version)
   OR EXISTS (SELECT FROM notifications WHERE customer_id = event.user_id)
   OR EXISTS (SELECT FROM preferences WHERE customer_id = event.user_id)
""")
MERGE = (
    Statement(f"""
    UPDATE recipients SET email = NULL, full_name = NULL, email_verified = false, guest = false,
        version = greatest(recipients.version, event.version)
    FROM {_MERGED} WHERE recipients.customer_id = event.user_id
    """),
    *(
        Statement(f"""
        UPDATE {table} SET customer_id = event."into" FROM {_MERGED} WHERE {table}.customer_id = event.user_id
        """)
        for table in ("notifications", "deliveries")
    ),
    # The registered account's own preferences stay.
    Statement(f"""
    WITH taken AS (
        DELETE FROM preferences USING {_MERGED} WHERE preferences.customer_id = event.user_id
        RETURNING event."into", preferences.email_off, preferences.version
    )
    INSERT INTO preferences (customer_id, email_off, version) SELECT * FROM taken ON CONFLICT DO NOTHING
    """),
    Statement("""
    UPDATE recipients SET release_withheld = true WHERE customer_id = ANY(:event[].into::uuid[]) AND email_verified
    """),
)
COUNT = Statement("SELECT count(*) FROM recipients WHERE customer_id = ANY (:ids)")
SHARE = Statement("SELECT FROM recipients WHERE customer_id = ANY (:ids) ORDER BY customer_id FOR SHARE")
# The update changes nothing. It locks existing rows in the same order in which new ones are added.
ADD_AND_LOCK = Statement(_EMPTY.format(erased=False) + "version = known.version")


async def upsert(tx: Transaction, users: Sequence[UserChanged]) -> None:
    """Stores a batch by one statement. Only newer versions replace what is stored; erased recipients stay erased."""
    found = [
        _Recipient(
            user.user_id, user.version, user.email, user.full_name, user.email_verified, user.roles == [Role.GUEST]
        )
        for user in users
    ]
    await UPSERT.execute(tx, event=found)


async def erase(tx: Transaction, user_ids: Sequence[UUID]) -> None:
    """Erases the copy of the account, the inbox, the preferences and the deliveries."""
    for statement in ERASE:
        await statement.execute(tx, ids=user_ids)


async def merge(tx: Transaction, events: Sequence[UserMerged]) -> None:
    """Gives the inboxes, deliveries and preferences of guests to the accounts that they became part of.

    Rows of guests stay, without personal data: what still arrives for a guest is hidden until this is repeated.
    """
    left = {row[0] for row in await NOT_MERGED.fetch(tx, event=events)}
    if moved := [event for event in events if event.user_id in left]:
        await ADD_AND_LOCK.execute(tx, ids=sorted({id for event in moved for id in (event.user_id, event.into)}))
        for statement in MERGE:
            await statement.execute(tx, event=moved)


async def lock(tx: Transaction, customer_ids: Collection[UUID]) -> None:
    """Locks recipients against changes and erasure until the transaction ends. Unknown ones get an empty row first."""
    ids = sorted(set(customer_ids))
    known = await COUNT.fetchval(tx, ids=ids)
    await (SHARE if known == len(ids) else ADD_AND_LOCK).execute(tx, ids=ids)
