"""The personal data of this service. The stock ledger has ids of staff; it is the shop's data and is not exported."""

from collections.abc import Sequence
from uuid import UUID

from contracts.events.users import UserMerged
from service_kit.database import Statement, Transaction, rows
from service_kit.personal_data import PersonalData, Section

# The country stays, for accounting. A shipment that has not left needs its address, which is erased after it has left.
ERASE_ADDRESSES = Statement("""
UPDATE shipments SET ship_to = jsonb_build_object('name', 'erased', 'line1', 'erased', 'city', 'erased',
                                                  'country', ship_to->'country')
WHERE customer_id = ANY(:customer_ids::uuid[]) AND status <> 'created' AND ship_to->>'name' <> 'erased'
""")
MERGE = [
    Statement(f"""
    UPDATE {table} SET customer_id = event."into" FROM {rows("event", UserMerged, "user_id", "into")}
    WHERE {table}.customer_id = event.user_id
    """)  # noqa: S608 (no input in it)
    for table in ("shipments", "returns")
]


async def erase(tx: Transaction, customer_ids: Sequence[UUID]) -> None:
    await ERASE_ADDRESSES.execute(tx, customer_ids=customer_ids)


async def merge(tx: Transaction, events: Sequence[UserMerged]) -> None:
    """Requests of the order service that were on their way still name the guest: the job repeats this."""
    for statement in MERGE:
        await statement.execute(tx, event=events)


PERSONAL_DATA = PersonalData(
    sections=[Section("shipments", "shipments"), Section("returns", "returns")],
    erase=erase,
    erase_late=erase,
    merge=merge,
)
