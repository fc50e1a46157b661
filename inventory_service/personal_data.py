"""The personal data of this service. The stock ledger has ids of staff; it is the shop's data and is not exported."""

from collections.abc import Sequence
from uuid import UUID

from service_kit.database import Statement, Transaction
from service_kit.personal_data import PersonalData, Section

# The country stays, for accounting. A shipment that has not left needs its address, which is erased after it has left.
ERASE_ADDRESSES = Statement("""
UPDATE shipments SET ship_to = jsonb_build_object('name', 'erased', 'line1', 'erased', 'city', 'erased',
                                                  'country', ship_to->'country')
WHERE customer_id = ANY(:customer_ids::uuid[]) AND status <> 'created' AND ship_to->>'name' <> 'erased'
""")


async def erase(tx: Transaction, customer_ids: Sequence[UUID]) -> None:
    await ERASE_ADDRESSES.execute(tx, customer_ids=customer_ids)


PERSONAL_DATA = PersonalData(
    sections=[Section("shipments", "shipments"), Section("returns", "returns")], erase=erase, erase_late=erase
)
