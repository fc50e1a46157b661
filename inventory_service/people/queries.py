"""What is held about a person. The ledger of what staff booked is the shop's own, and not among it."""

from collections.abc import Collection
from uuid import UUID

from service_kit.audit.queries import EXPORT as AUDIT_LOG
from service_kit.database import HotTx
from service_kit.http.export import Section
from service_kit.security import standing

SHIPMENTS = """
SELECT id, to_jsonb(shipments)::text FROM shipments WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3
"""
RETURNS = """
SELECT id, to_jsonb(returns)::text FROM returns WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3
"""
SECTIONS = [
    Section("account", standing.EXPORT),
    Section("shipments", SHIPMENTS),
    Section("returns", RETURNS),
    AUDIT_LOG,
]

# The country stays, for the books. A parcel that is still to leave needs the rest, and loses it when it has left.
FORGET = """
UPDATE shipments SET ship_to = jsonb_build_object('name', 'erased', 'line1', 'erased', 'city', 'erased',
                                                  'country', ship_to->'country')
WHERE user_id = ANY($1::uuid[]) AND status <> 'created' AND ship_to->>'name' <> 'erased'
"""


async def forget(tx: HotTx, user_ids: Collection[UUID]) -> None:
    await tx.execute(FORGET, list(user_ids))
