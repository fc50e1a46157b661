"""Every statement about recipients.

Transactions that notify a customer take a shared lock on the recipient's row. Those that change or erase the customer
lock it exclusively. So nothing is added for a customer who is being erased, and no notification stays hidden from one
who has just become known. To avoid deadlocks, rows are locked in ascending order of the id.
"""

from collections.abc import Collection, Sequence
from uuid import UUID

from contracts.events.users import UserChanged
from service_kit.database import Statement, Transaction, rows

UPSERT = Statement(f"""
INSERT INTO recipients AS known (customer_id, version, email, full_name, email_verified, erased)
SELECT event.*, false FROM {rows("event", UserChanged, "user_id", "version", "email", "full_name", "email_verified")}
ORDER BY user_id
ON CONFLICT (customer_id) DO UPDATE
SET (version, email, full_name, email_verified, release_withheld)
    = (excluded.version, excluded.email, excluded.full_name, excluded.email_verified,
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
COUNT = Statement("SELECT count(*) FROM recipients WHERE customer_id = ANY (:ids)")
SHARE = Statement("SELECT FROM recipients WHERE customer_id = ANY (:ids) ORDER BY customer_id FOR SHARE")
# The update changes nothing. It locks existing rows in the same order in which new ones are added.
ADD_AND_LOCK = Statement(_EMPTY.format(erased=False) + "version = known.version")


async def upsert(tx: Transaction, users: Sequence[UserChanged]) -> None:
    """Stores a batch by one statement. Only newer versions replace what is stored; erased recipients stay erased."""
    await UPSERT.execute(tx, event=users)


async def erase(tx: Transaction, user_ids: Sequence[UUID]) -> None:
    """Erases the copy of the account, the inbox, the preferences and the deliveries."""
    for statement in ERASE:
        await statement.execute(tx, ids=user_ids)


async def lock(tx: Transaction, customer_ids: Collection[UUID]) -> None:
    """Locks recipients against changes and erasure until the transaction ends. Unknown ones get an empty row first."""
    ids = sorted(set(customer_ids))
    known = await COUNT.fetchval(tx, ids=ids)
    await (SHARE if known == len(ids) else ADD_AND_LOCK).execute(tx, ids=ids)
